// JSON transactions from a topic to another, at least once or exactly once; Kafka's timestamps stay.
//   --servers HOST:PORT --input TOPIC --output TOPIC --guarantee at-least-once|exactly-once
//   [--endless] (not only to the end as it is at the start)
#include <eagre/eagre.h>

#include "bench/limit/transaction.h"
#include "connectors/kafka/kafka.h"

using namespace eagre;
using eagre::bench::Transaction;

EAGRE_JOB(job, args) {
  const bool exactly = args.Get("guarantee") == "exactly-once";
  auto source = KafkaSource<Transaction>(args.Get("servers")).Topics({args.Get("input")});
  if (!args.Has("endless")) source = std::move(source).StopAt(KafkaOffsets::Latest());
  job.Read(std::move(source))
      .WriteTo(KafkaSink(args.Get("servers"), args.Get("output"))
                   .Guarantee(exactly ? DeliveryGuarantee::kExactlyOnce : DeliveryGuarantee::kAtLeastOnce));
}
