// The shop's patterns as a job.
//
//   eagre run cep_shop.so -- --output out/ [--events 1000000] [--users 1000] [--pattern high_value|frequent|default]
//
// writes out/conversions (logins that led to a purchase), out/abandoned (those that did not within ten minutes) and
// out/alerts (what the chosen pattern found alarming), each a folder of NDJSON files.
#include <chrono>
#include <stdexcept>
#include <string>

#include "examples/cep/patterns.h"
#include "examples/cep/session_report.h"
#include "examples/cep/shop_generator.h"

using namespace eagre;
using namespace shop;
using namespace std::chrono_literals;

EAGRE_JOB(job, args) {
  job.SetName("Shop patterns");
  const std::string output = args.Get("output");
  const int64_t users = args.GetInt("users", 1000);
  const int64_t count = args.GetInt("events", 1'000'000);
  if (users < 1) throw std::invalid_argument("--users must be at least 1, not " + std::to_string(users));
  if (count < 0) throw std::invalid_argument("--events must not be negative, not " + std::to_string(count));

  auto events =
      job.Read(Generate<UserEvent>(count, [users](int64_t i, UserEvent& event) { MakeEvent(i, users, event); }))
          .WithWatermarks(BoundedOutOfOrderness(2s), &UserEvent::timestamp)
          .Name("events")
          .Uid("events")
          .KeyBy(&UserEvent::user_id);

  const OutputTag<Conversion> abandoned{"abandoned"};
  auto conversions =
      Cep::Match(events, LoginToPurchase())
          .Select(
              abandoned,
              [](const Match<UserEvent>& match, int64_t timestamp) {
                const UserEvent& login = match.First("start");
                return Conversion{login.user_id, "abandoned", timestamp - login.timestamp.ms(), Timestamp(timestamp)};
              },
              [](const Match<UserEvent>& match) {
                const UserEvent& login = match.First("start");
                const UserEvent& purchase = match.First("end");
                return Conversion{login.user_id, "login_to_purchase", purchase.timestamp.ms() - login.timestamp.ms(),
                                  purchase.timestamp};
              })
          .Name("login to purchase")
          .Uid("login-to-purchase");
  conversions.WriteTo(NdjsonSink(output + "/conversions")).Name("conversions").Uid("conversions-sink");
  conversions.SideOutput(abandoned).WriteTo(NdjsonSink(output + "/abandoned")).Name("abandoned").Uid("abandoned-sink");

  Cep::Match(events, DynamicPattern(args.Get("pattern", "default")))
      .FlatSelect([](const Match<UserEvent>& match, Collector<ShopAlert>& out) {
        for (ShopAlert& alert : AlertsOf(match)) out.Collect(std::move(alert));
      })
      .Name("alerts")
      .Uid("alerts")
      .WriteTo(NdjsonSink(output + "/alerts"))
      .Name("alert files")
      .Uid("alerts-sink");
}
