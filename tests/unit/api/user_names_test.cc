// A job's own types may bear the names of everyday things, unqualified and beside `using namespace eagre`.
#include <gtest/gtest.h>

#include <eagre/cep/cep.h>
#include <eagre/eagre.h>
#include <eagre/testing/function_harness.h>

using namespace eagre;

namespace {

struct Event {
  std::string user;
  int64_t value = 0;
};
EAGRE_RECORD(Event, user, value);

// Each name is a type of the job here, and of nobody else's: an ambiguous one does not compile.
#define OWN_NAME(Name) \
  struct Name {        \
    int64_t id = 0;    \
  };                   \
  EAGRE_RECORD(Name, id)

OWN_NAME(Account);
OWN_NAME(Accumulator);
OWN_NAME(Alert);
OWN_NAME(Channel);
OWN_NAME(Customer);
OWN_NAME(Element);
OWN_NAME(Entry);
OWN_NAME(Input);
OWN_NAME(Item);
OWN_NAME(Key);
OWN_NAME(Line);
OWN_NAME(Link);
OWN_NAME(Measurement);
OWN_NAME(Message);
OWN_NAME(Metric);
OWN_NAME(Node);
OWN_NAME(Order);
OWN_NAME(Packet);
OWN_NAME(Payment);
OWN_NAME(Point);
OWN_NAME(Product);
OWN_NAME(Reading);
OWN_NAME(Record);
OWN_NAME(Request);
OWN_NAME(Response);
OWN_NAME(Result);
OWN_NAME(Row);
OWN_NAME(Rule);
OWN_NAME(Sample);
OWN_NAME(Session);
OWN_NAME(State);
OWN_NAME(Task);
OWN_NAME(Token);
OWN_NAME(Transaction);
OWN_NAME(Value);
OWN_NAME(Window);
OWN_NAME(Worker);

template <typename T>
int64_t IdThroughAJob() {
  LocalJob job;
  const auto ids = job.Read(FromValues<int64_t>({7})).Map([](int64_t id) { return T{id}; }).ExecuteAndCollect();
  return ids.ok() && ids->size() == 1 ? ids->front().id : -1;
}

TEST(UserNamesTest, TypesOfAJobMayBeCalledLikeThingsOfTheRuntime) {
  LocalJob job;
  const auto sums = job.Read(FromValues<Event>({{"ann", 1}, {"ann", 2}}))
                        .KeyBy(&Event::user)
                        .Reduce([](Event& into, const Event& event) { into.value += event.value; })
                        .ExecuteAndCollect();
  ASSERT_TRUE(sums.ok()) << StatusMessage(sums.status());
  ASSERT_EQ(sums->size(), 2u);
  EXPECT_EQ(sums->back().value, 3);

  EXPECT_EQ(IdThroughAJob<Element>(), 7);
}

}  // namespace
