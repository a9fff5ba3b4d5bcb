// Counts records by key, from Kafka to Kafka.
//   --servers HOST:PORT --input TOPIC --output TOPIC --guarantee none|at-least-once|exactly-once
//   [--bounded] (to the end as it is at the start) [--pattern] (the input is a pattern) [--discover MS]
//   [--lost-marker-again] [--transaction-timeout MS]
//   [--poison ID] (a record that always fails the job) [--aside TOPIC] (where it goes)
//   [--certificate FILE --user NAME --password-file FILE] (TLS and SCRAM)
#include <fstream>
#include <iterator>

#include "connectors/kafka/kafka.h"
#include "tests/cluster/jobs/counting.h"

using namespace eagre;
using namespace eagre::counting;

namespace {

template <typename Client>
Client Secure(Client client, const JobArgs& args) {
  if (!args.Has("certificate")) return client;
  std::ifstream file(args.Get("password-file"));
  const std::string password(std::istreambuf_iterator<char>(file), {});
  return std::move(client)
      .Property("properties.security.protocol", "SASL_SSL")
      .Property("properties.ssl.ca.location", args.Get("certificate"))
      .Property("properties.sasl.mechanism", "SCRAM-SHA-256")
      .Property("properties.sasl.username", args.Get("user"))
      .Property("properties.sasl.password", password);
}

}  // namespace

EAGRE_JOB(job, args) {
  const std::string servers = args.Get("servers");
  KafkaSource<Numbered> source = Secure(KafkaSource<Numbered>(servers), args);
  source = args.Has("pattern") ? std::move(source).TopicPattern(args.Get("input"))
                               : std::move(source).Topics({args.Get("input")});
  source = std::move(source).GroupId("count-" + args.Get("output"));
  if (args.Has("bounded")) source = std::move(source).StopAt(KafkaOffsets::Latest());
  if (args.Has("discover")) {
    source = std::move(source).DiscoverEvery(std::chrono::milliseconds(args.GetInt("discover", 0)));
  }
  KafkaSink sink = Secure(KafkaSink(servers, args.Get("output")), args)
                       .TransactionTimeout(std::chrono::milliseconds(args.GetInt("transaction-timeout", 10'000)));
  const std::string guarantee = args.Get("guarantee", "exactly-once");
  if (guarantee == "exactly-once") sink = std::move(sink).ExactlyOnce();
  if (guarantee == "at-least-once") sink = std::move(sink).AtLeastOnce();
  if (guarantee == "none") sink = std::move(sink).WithoutGuarantee();
  if (args.Has("lost-marker-again")) sink = std::move(sink).OnLostMarker(LostMarker::kWriteAgain);
  sink = std::move(sink).Records<Counted>(
      [](const Counted& counted, KafkaRecord& out) { out.SetKey(std::to_string(counted.key)); });
  auto records = job.Read(std::move(source));
  records.Uid("in");
  if (args.Has("aside")) {
    records.OnPoison(Poison::kSideOutput);
    records.SideOutput(kPoisonRecords).WriteTo(KafkaSink(servers, args.Get("aside")).ExactlyOnce()).Uid("aside");
  }
  records.KeyBy(&Numbered::key).Process(Count(args.GetInt("poison", -1))).Uid("count").WriteTo(sink).Uid("out");
}
