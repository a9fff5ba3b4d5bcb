// The financial monitoring job.
//
//   eagre run fraud_detection.so -- --input transactions.ndjson --output out/
//
// writes out/assessments, out/alerts and out/metrics, each a folder of NDJSON files.
//
//   eagre run fraud_detection.so -- --kafka localhost:9092
//
// reads the topic "transactions" for ever and writes the topics "assessments", "alerts" and "metrics", exactly once.
#include <chrono>

#include <eagre/eagre.h>

#include "connectors/kafka/kafka.h"
#include "examples/finance/financial_metrics.h"
#include "examples/finance/fraud_detection_engine.h"
#include "examples/finance/records.h"

using namespace eagre;
using namespace finance;
using namespace std::chrono_literals;

namespace {

// `make_sink` makes the sink for what is called so.
template <typename S, typename MakeSink>
void Monitor(Job& job, S source, const MakeSink& make_sink) {
  auto transactions = job.Read(std::move(source))
                          .WithWatermarks(BoundedOutOfOrderness(30s), &FinancialTransaction::timestamp)
                          .Name("transactions")
                          .Uid("transactions");

  auto assessments = transactions.KeyBy(&FinancialTransaction::user_id)
                         .SortByEventTime([](const FinancialTransaction& a, const FinancialTransaction& b) {
                           return a.transaction_id < b.transaction_id;
                         })
                         .Name("order by event time")
                         .Uid("order")
                         .Process(FraudDetectionEngine())
                         .Name("fraud detection engine")
                         .Uid("engine");

  auto metrics = assessments.SideOutput(kAssessed)
                     .WindowAll(Tumbling(1min))
                     .Aggregate(FinancialMetricsAggregateFunction(), FinancialMetricsWindowFunction())
                     .Name("metrics per minute")
                     .Uid("metrics");

  assessments.WriteTo(make_sink("assessments")).Name("assessments").Uid("assessments-sink");
  assessments.SideOutput(kAlerts).WriteTo(make_sink("alerts")).Name("alerts").Uid("alerts-sink");
  metrics.WriteTo(make_sink("metrics")).Name("metrics").Uid("metrics-sink");
}

}  // namespace

EAGRE_JOB(job, args) {
  job.SetName("Real-time Financial Monitoring System");
  if (args.Has("kafka")) {
    const std::string servers = args.Get("kafka");
    Monitor(job, KafkaSource<FinancialTransaction>(servers).Topics({"transactions"}).GroupId("fraud-detection"),
            [&](const std::string& topic) { return KafkaSink(servers, topic).ExactlyOnce(); });
  } else {
    const std::string output = args.Get("output");
    Monitor(job, NdjsonFiles<FinancialTransaction>(args.Get("input")),
            [&](const std::string& folder) { return NdjsonSink(output + "/" + folder); });
  }
}
