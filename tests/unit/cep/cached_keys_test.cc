// Keys that do not stay in memory: they go to the backend's store and come back, and the operator knows its partial
// matches all the same.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "eagre/cep/cep.h"
#include "tests/testing/backend_under_test.h"
#include "tests/testing/operator_checkpoints.h"

namespace eagre {

struct Visit {
  int64_t user = 0;
  std::string page;
};
EAGRE_RECORD(Visit, user, page);

namespace {

constexpr int64_t kUsers = 3000;

std::unique_ptr<KeyExtractor<Visit, int64_t>> ByUser() {
  return std::make_unique<SelectorKeyExtractor<Visit, int64_t, int64_t Visit::*>>(&Visit::user);
}

auto At(const char* page) {
  return [page](const Visit& visit) { return visit.page == page; };
}

// One subtask that looks for a login, a search and an order, one behind the other, above a store with room for nothing.
class Shop {
 public:
  explicit Shop(BackendKind backend, cep::CepSettings settings = {}) : backend_(NewBackend(backend)) {
    internal::MatchHandlers<Visit, int64_t> handlers;
    handlers.on_match = [](const Match<Visit>& match, MatchContext&, Collector<int64_t>& out) {
      out.Collect(match.events().front()->user);
    };
    const auto pattern = Pattern<Visit>::Begin("login")
                             .Where(At("login"))
                             .FollowedBy("search")
                             .Where(At("search"))
                             .FollowedBy("order")
                             .Where(At("order"));
    using Function = internal::CepFunction<int64_t, Visit, int64_t>;
    harness_ = std::make_unique<OperatorHarness>(
        HarnessMode::kBatches,
        MakeKeyedProcessOperator<int64_t, Visit, int64_t>(
            Function(*cep::Automaton::Compile(pattern.description()), settings, nullptr, std::move(handlers)), ByUser(),
            {}));
    harness_->context().set_state_backend(backend_.get());
    harness_->AddPort<int64_t>();
    harness_->SetHasher(std::make_unique<ExtractorKeyHasher<Visit, int64_t>>(ByUser()));
    EXPECT_TRUE(harness_->Open().ok());
    checkpoints_ = std::make_unique<OperatorCheckpoints>(harness_->op<Operator>());
  }

  OperatorCheckpoints& checkpoints() { return *checkpoints_; }
  // All users are at this page.
  Status All(const char* page) {
    std::vector<Stamped<Visit>> visits;
    for (int64_t user = 0; user < kUsers; ++user) visits.push_back({{user, page}, ++time_});
    return harness_->Push<Visit>(visits);
  }
  size_t Orders() { return harness_->Take<int64_t>().size(); }
  double LivePartialMatches() { return harness_->context().MetricValue("cepPartialMatches"); }

 private:
  std::unique_ptr<StateBackend> backend_;
  std::unique_ptr<OperatorHarness> harness_;
  std::unique_ptr<OperatorCheckpoints> checkpoints_;
  int64_t time_ = 0;
};

class CachedKeysTest : public testing::TestWithParam<BackendKind> {};
INSTANTIATE_TEST_SUITE_P(Backends, CachedKeysTest,
                         testing::Values(BackendKind::kMemory, BackendKind::kMapStore, BackendKind::kRocksDb),
                         [](const auto& info) { return BackendName(info.param); });

TEST_P(CachedKeysTest, APartialMatchThatComesBackIsCountedOnce) {
  Shop shop(GetParam());
  for (const char* page : {"login", "search", "news", "news", "search"}) {
    ASSERT_TRUE(shop.All(page).ok());
    EXPECT_EQ(shop.LivePartialMatches(), kUsers) << page;
  }
  ASSERT_TRUE(shop.All("order").ok());
  EXPECT_EQ(shop.Orders(), static_cast<size_t>(kUsers));
  EXPECT_EQ(shop.LivePartialMatches(), 0);
}

TEST_P(CachedKeysTest, APartialMatchThatComesBackTakesNoSecondPlaceBelowTheLimit) {
  Shop shop(GetParam(), {.max_partials = kUsers});
  for (const char* page : {"login", "search", "order"}) {
    const Status status = shop.All(page);
    ASSERT_TRUE(status.ok()) << status;
  }
  EXPECT_EQ(shop.Orders(), static_cast<size_t>(kUsers));
}

TEST_P(CachedKeysTest, ARestoredPartialMatchIsCountedWhenItChangesFirst) {
  SeededRandom random(1);
  for (const bool inherited : {true, false}) {
    Shop before(GetParam());
    before.checkpoints().Begin();
    ASSERT_TRUE(before.All("login").ok());
    before.checkpoints().Seal(random);
    while (!before.checkpoints().Encode(random)) {
    }

    Shop shop(GetParam());
    ASSERT_TRUE(shop.checkpoints().Restore({before.checkpoints().Stored()}, 0, 1, inherited).ok());
    ASSERT_TRUE(shop.All("news").ok());
    ASSERT_TRUE(shop.All("search").ok());
    EXPECT_EQ(shop.LivePartialMatches(), kUsers);
    ASSERT_TRUE(shop.All("login").ok());
    EXPECT_EQ(shop.LivePartialMatches(), 2 * kUsers);
    ASSERT_TRUE(shop.All("order").ok());
    EXPECT_EQ(shop.Orders(), static_cast<size_t>(kUsers));
    EXPECT_EQ(shop.LivePartialMatches(), kUsers);
  }
}

}  // namespace
}  // namespace eagre
