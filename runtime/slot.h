// A slot: one thread's share of a job, one subtask of every vertex, run cooperatively.
//
// A SlotRunner calls Step() over and over; other threads reach the slot by Post (mail, which runs between two steps,
// also while tasks are blocked) and Cancel.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/status.h"
#include "runtime/slot_runner.h"
#include "runtime/task.h"

namespace eagre {

struct TaskFailure {
  Status status;
  int vertex = -1;
  int subtask = -1;
  std::string vertex_name;
  std::string operator_name;
  std::string operator_id;
  OriginRef origin = nullptr;  // of the record that was being processed, where it is known
  bool in_user_code = false;   // user code threw it
};

class Slot {
 public:
  struct Handlers {
    // Both on the slot's thread, at most once each; on_done is last: all tasks are done, failed or abandoned.
    std::function<void(TaskFailure)> on_failure;
    std::function<void()> on_done;
  };
  struct Outcome {
    bool progress = false;
    bool done = false;
    int64_t wake_up_ms = kMaxWatermark;  // step again then (wall time), even if nobody wakes the slot
    int64_t now_ns = 0;                  // at the end of the round, unless all is done
  };

  // `waker` is this slot's runner.
  Slot(int index, const Clock& clock, Waker& waker, Handlers handlers);
  ~Slot();

  // Before the runner starts.
  void AddTask(std::unique_ptr<Task> task);

  // One round over the tasks, each doing a bounded piece of work. `received`: the time since the last round was spent
  // on receiving what they read.
  Outcome Step(bool received = false);
  // Any thread.
  void Post(std::function<Status()> mail, int vertex);
  void Cancel();

  int index() const { return index_; }
  const std::vector<std::unique_ptr<Task>>& tasks() const { return tasks_; }
  Task* FindTask(int vertex);
  Waker& waker() { return waker_; }

 private:
  struct Mail {
    std::function<Status()> run;
    int vertex;
  };
  bool RunMail();
  bool OpenTasks();
  void Fail(Task* task, const Status& status);
  void Finish(TaskState state);
  bool StepTask(size_t index, int64_t& now_ns, int64_t now_ms, bool flush_when_idle);
  bool TakeTurn(size_t index, int64_t& now_ns, int64_t now_ms);

  const int index_;
  const Clock& clock_;
  Waker& waker_;
  Handlers handlers_;
  std::vector<std::unique_ptr<Task>> tasks_;
  std::vector<Task::StepResult> last_results_;
  bool opened_ = false;
  bool finished_ = false;
  int64_t last_ns_ = 0;
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> has_mail_{false};
  std::mutex mail_mutex_;
  std::vector<Mail> mail_;  // guarded by mail_mutex_
};

}  // namespace eagre
