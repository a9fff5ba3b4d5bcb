#include "runtime/slot.h"

#include <algorithm>
#include <utility>

namespace eagre {
namespace {

// The turn of one task that consumes: a few batches, since the batches of a producer come in parts.
constexpr int kStepsPerTurn = 16;
constexpr int64_t kTurnNs = 1'000'000;

}  // namespace

Slot::Slot(int index, const Clock& clock, Waker& waker, Handlers handlers)
    : index_(index), clock_(clock), waker_(waker), handlers_(std::move(handlers)) {}

Slot::~Slot() = default;

void Slot::AddTask(std::unique_ptr<Task> task) {
  tasks_.push_back(std::move(task));
  last_results_.push_back(Task::StepResult::kProgress);
}

Task* Slot::FindTask(int vertex) {
  for (auto& task : tasks_) {
    if (task->options().vertex == vertex) return task.get();
  }
  return nullptr;
}

void Slot::Post(std::function<Status()> mail, int vertex) {
  {
    std::lock_guard lock(mail_mutex_);
    mail_.push_back({std::move(mail), vertex});
    has_mail_.store(true, std::memory_order_release);
  }
  waker_.Wake();
}

void Slot::Cancel() {
  cancelled_.store(true, std::memory_order_release);
  waker_.Wake();
}

void Slot::Finish(TaskState state) {
  for (auto& task : tasks_) task->Abandon(state);
  if (finished_) return;
  finished_ = true;
  handlers_.on_done();
}

void Slot::Fail(Task* task, const Status& status) {
  TaskFailure failure{.status = status};
  if (task != nullptr) {
    failure.vertex = task->options().vertex;
    failure.subtask = task->options().subtask;
    failure.vertex_name = task->options().vertex_name;
    failure.operator_name = task->chain().failed_operator();
    failure.operator_id = task->chain().failed_operator_id();
    failure.origin = task->chain().failed_origin();
    failure.in_user_code = task->chain().failed_in_user_code();
    task->Abandon(TaskState::kFailed);
  }
  handlers_.on_failure(std::move(failure));
  Finish(TaskState::kCanceled);
}

bool Slot::RunMail() {
  if (!has_mail_.load(std::memory_order_acquire)) return false;
  std::vector<Mail> mail;
  {
    std::lock_guard lock(mail_mutex_);
    mail.swap(mail_);
    has_mail_.store(false, std::memory_order_relaxed);
  }
  for (Mail& letter : mail) {
    const Status status = letter.run();
    if (!status.ok()) {
      Fail(FindTask(letter.vertex), status);
      return true;
    }
  }
  return true;
}

bool Slot::OpenTasks() {
  opened_ = true;
  last_ns_ = clock_.MonotonicNs();
  for (auto& task : tasks_) {
    const Status status = task->Open();
    if (!status.ok()) {
      Fail(task.get(), status);
      return false;
    }
  }
  return true;
}

// Steps one task and books the time since the last clock reading to what the task was then found to be.
bool Slot::StepTask(size_t index, int64_t& now_ns, int64_t now_ms, bool flush_when_idle) {
  Task& task = *tasks_[index];
  const StatusOr<Task::StepResult> result = task.Step(now_ns, now_ms, flush_when_idle);
  const int64_t end_ns = clock_.MonotonicNs();
  const int64_t spent_ns = end_ns - now_ns;
  now_ns = end_ns;
  if (!result.ok()) {
    Fail(&task, result.status());
    return false;
  }
  last_results_[index] = *result;
  TaskStats& stats = task.stats();
  switch (*result) {
    case Task::StepResult::kProgress:
    case Task::StepResult::kDone: stats.busy_ns.fetch_add(spent_ns, std::memory_order_relaxed); return true;
    case Task::StepResult::kBlockedOnInput: stats.idle_ns.fetch_add(spent_ns, std::memory_order_relaxed); return false;
    case Task::StepResult::kBlockedOnOutput:
      stats.back_pressured_ns.fetch_add(spent_ns, std::memory_order_relaxed);
      return false;
  }
  return false;
}

// What a source has produced is worked off before it produces more, while it is still in the cache. A task has no input
// at hand only if it has none at the beginning of its turn.
bool Slot::TakeTurn(size_t index, int64_t& now_ns, int64_t now_ms) {
  Task& task = *tasks_[index];
  const int64_t end_ns = now_ns + kTurnNs;
  if (!StepTask(index, now_ns, now_ms, /*flush_when_idle=*/true)) return false;
  if (task.chain().is_source()) return true;
  for (int step = 1; step < kStepsPerTurn && now_ns < end_ns && !task.done(); ++step) {
    if (!StepTask(index, now_ns, now_ms, /*flush_when_idle=*/false)) break;
  }
  return true;
}

Slot::Outcome Slot::Step(bool received) {
  Outcome outcome;
  if (finished_) return {.progress = false, .done = true};
  if (!opened_ && !OpenTasks()) return {.progress = false, .done = true};
  if (cancelled_.load(std::memory_order_acquire)) {
    Finish(TaskState::kCanceled);
    return {.progress = false, .done = true};
  }
  outcome.progress = RunMail();
  if (finished_) return {.progress = false, .done = true};
  int64_t now_ns = clock_.MonotonicNs();
  const int64_t now_ms = clock_.NowMs();
  // The time between two rounds was spent parked, or on the other tasks of this thread.
  const int64_t waited_ns = now_ns - last_ns_;
  bool all_done = true;
  for (size_t i = 0; i < tasks_.size(); ++i) {
    Task& task = *tasks_[i];
    if (task.done()) continue;
    TaskStats& stats = task.stats();
    if (last_results_[i] == Task::StepResult::kBlockedOnOutput) {
      stats.back_pressured_ns.fetch_add(waited_ns, std::memory_order_relaxed);
    } else {
      (received ? stats.busy_ns : stats.idle_ns).fetch_add(waited_ns, std::memory_order_relaxed);
    }
    outcome.progress |= TakeTurn(i, now_ns, now_ms);
    if (finished_) return {.progress = false, .done = true};
    if (!task.done()) {
      all_done = false;
      outcome.wake_up_ms = std::min(outcome.wake_up_ms, task.NextWakeUpMs());
    }
  }
  outcome.now_ns = last_ns_ = now_ns;
  if (all_done) {
    Finish(TaskState::kFinished);
    outcome.done = true;
  }
  return outcome;
}

}  // namespace eagre
