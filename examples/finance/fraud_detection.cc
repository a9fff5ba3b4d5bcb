// The financial monitoring job.
//
//   eagre run fraud_detection.so -- --input transactions.ndjson --output out/
//
// writes out/assessments, out/alerts and out/metrics, each a folder of NDJSON files.
#include <chrono>

#include <eagre/eagre.h>

#include "examples/finance/financial_metrics.h"
#include "examples/finance/fraud_detection_engine.h"
#include "examples/finance/records.h"

using namespace eagre;
using namespace finance;
using namespace std::chrono_literals;

EAGRE_JOB(job, args) {
  job.SetName("Real-time Financial Monitoring System");
  const std::string output = args.Get("output");

  auto transactions = job.Read(NdjsonFiles<FinancialTransaction>(args.Get("input")))
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

  assessments.WriteTo(NdjsonSink(output + "/assessments")).Name("assessments").Uid("assessments-sink");
  assessments.SideOutput(kAlerts).WriteTo(NdjsonSink(output + "/alerts")).Name("alerts").Uid("alerts-sink");
  metrics.WriteTo(NdjsonSink(output + "/metrics")).Name("metrics").Uid("metrics-sink");
}
