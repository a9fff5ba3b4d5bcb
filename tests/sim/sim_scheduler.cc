#include "tests/sim/sim_scheduler.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/hash.h"

namespace eagre {

void SimScheduler::Trace(std::string_view what, uint64_t value) {
  trace_hash_ = MixInt64(trace_hash_ ^ Hash64(what)) + MixInt64(value ^ static_cast<uint64_t>(now_ns_));
}

int64_t SimScheduler::Choose(int64_t low, int64_t high) {
  EAGRE_CHECK(low <= high);
  const int64_t choice = low + static_cast<int64_t>(random_.Below(static_cast<uint64_t>(high - low) + 1));
  Trace("choice", static_cast<uint64_t>(choice));
  return choice;
}

uint64_t SimScheduler::Schedule(int64_t delay_ns, std::string_view what, Closure task, SimThread* thread) {
  const uint64_t id = next_id_++;
  const Key key{now_ns_ + std::max<int64_t>(delay_ns, 0), random_.Next(), id};
  events_.emplace(key, Entry{what, std::move(task), thread});
  keys_.emplace(id, key);
  return id;
}

void SimScheduler::Cancel(uint64_t id) {
  waiting_.erase(id);
  const auto found = keys_.find(id);
  if (found == keys_.end()) return;
  events_.erase(found->second);
  keys_.erase(found);
}

bool SimScheduler::RunUntil(const std::function<bool()>& done, int64_t limit_ms) {
  const int64_t limit_ns = now_ns_ + limit_ms * 1'000'000;
  while (true) {
    while (!at_rest_.empty()) {
      for (Closure& task : std::exchange(at_rest_, {})) task();
    }
    if (done()) return true;
    if (events_.empty() || std::get<0>(events_.begin()->first) > limit_ns) break;
    RunNext();
  }
  now_ns_ = std::max(now_ns_, limit_ns);
  return false;
}

void SimScheduler::DropEvents() {
  while (!events_.empty() || !waiting_.empty()) {
    keys_.clear();
    std::exchange(events_, {}).clear();
    std::exchange(waiting_, {}).clear();
  }
}

void SimScheduler::RunNext() {
  auto first = events_.begin();
  const uint64_t id = std::get<2>(first->first);
  now_ns_ = std::max(now_ns_, std::get<0>(first->first));
  Entry entry = std::move(first->second);
  keys_.erase(id);
  events_.erase(first);
  if (entry.thread != nullptr && !entry.thread->alive()) return;
  if (entry.thread != nullptr && !entry.thread->can_run()) {
    waiting_.emplace(id, std::move(entry));
    return;
  }
  ++events_run_;
  Trace(entry.what, id);
  Run(std::move(entry));
}

void SimScheduler::Run(Entry entry) {
  SimThread* const thread = entry.thread;
  SimThread* const outer = std::exchange(current_, thread);
  if (thread != nullptr) {
    thread->running_ = true;
    if (thread->process_ != nullptr) ++thread->process_->running_threads;
  }
  entry.task();
  if (thread != nullptr) {
    thread->running_ = false;
    if (thread->process_ != nullptr) --thread->process_->running_threads;
    Release(*thread);
  }
  current_ = outer;
}

void SimScheduler::Release(SimThread& thread) {
  if (!thread.can_run()) return;
  int64_t due_ns = now_ns_;
  for (auto entry = waiting_.begin(); entry != waiting_.end();) {
    if (entry->second.thread != &thread) {
      ++entry;
      continue;
    }
    const Key key{due_ns++, random_.Next(), entry->first};
    events_.emplace(key, std::move(entry->second));
    keys_.emplace(entry->first, key);
    entry = waiting_.erase(entry);
  }
}

void SimScheduler::DropEventsOf(const SimThread& thread) {
  std::vector<Entry> dropped;  // destroyed when nothing refers to them any more
  for (auto event = events_.begin(); event != events_.end();) {
    if (event->second.thread != &thread) {
      ++event;
      continue;
    }
    dropped.push_back(std::move(event->second));
    keys_.erase(std::get<2>(event->first));
    event = events_.erase(event);
  }
  for (auto entry = waiting_.begin(); entry != waiting_.end();) {
    if (entry->second.thread != &thread) {
      ++entry;
      continue;
    }
    dropped.push_back(std::move(entry->second));
    entry = waiting_.erase(entry);
  }
}

void SimScheduler::Block(int64_t ns) {
  if (current_ == nullptr || blocked_ == kMostBlocked) return;
  SimProcess* const process = current_->process_;
  if (process == nullptr || !process->may_block || !process->alive) return;
  SimThread* const blocked = std::exchange(current_, nullptr);
  ++blocked_;
  const int64_t until_ns = now_ns_ + ns;
  while (process->alive && !events_.empty()) {
    if (std::get<0>(events_.begin()->first) > until_ns && !process->stopped) break;
    RunNext();
  }
  if (process->alive) now_ns_ = std::max(now_ns_, until_ns);
  --blocked_;
  current_ = blocked;
  Trace("unblocked");
}

void SimScheduler::Stop(SimProcess& process) {
  process.stopped = true;
}

void SimScheduler::Continue(SimProcess& process) {
  process.stopped = false;
  for (SimThread* thread : threads_) {
    if (thread->process_ == &process) Release(*thread);
  }
}

SimThread::SimThread(SimScheduler& scheduler, SimProcess* process) : scheduler_(scheduler), process_(process) {
  scheduler_.threads_.push_back(this);
}

SimThread::~SimThread() {
  EAGRE_CHECK(!running_);
  scheduler_.DropEventsOf(*this);
  std::erase(scheduler_.threads_, this);
}

void SimExecutor::Post(Closure task) {
  if (!thread_.alive()) return;
  posted_.push_back(std::move(task));
  scheduler_.Schedule(
      scheduler_.Choose(0, most_delay_ns_), name_,
      [this] {
        Closure next = std::move(posted_.front());
        posted_.pop_front();
        next();
      },
      &thread_);
}

TimerId SimExecutor::PostAfter(int64_t delay_ms, Closure task) {
  const int64_t delay_ns = delay_ms * 1'000'000 + scheduler_.Choose(0, 500'000);
  return scheduler_.Schedule(delay_ns, name_, std::move(task), &thread_);
}

}  // namespace eagre
