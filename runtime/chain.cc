#include "runtime/chain.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <new>
#include <typeinfo>
#include <utility>

#include "state/state_declaration.h"

namespace eagre {
namespace {

// Calls into operators per Run: with batches of about a thousand records this keeps a step well under a millisecond.
constexpr int kCallsPerRun = 16;

size_t BytesOf(const Batch& batch) {
  return std::max(batch.size(), batch.type().capacity) * batch.type().record_bytes;
}

std::string DemangledName(const std::type_info& type) {
  int status = 0;
  std::unique_ptr<char, void (*)(void*)> name(abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), std::free);
  return status == 0 ? name.get() : type.name();
}

// The engine throws through user code too: where a store fails, and where memory is used up.
bool IsOfUserCode(const std::exception& error) {
  return dynamic_cast<const StateError*>(&error) == nullptr && dynamic_cast<const std::bad_alloc*>(&error) == nullptr;
}

}  // namespace

Chain::Chain(std::vector<ChainNode> nodes) : nodes_(std::move(nodes)) {
  source_ = dynamic_cast<SourceOperator*>(nodes_[0].op.get());
}

Chain::~Chain() = default;

// The boundary between our code, which returns Status, and the user's, which may throw or crash.
template <typename F>
Status Chain::Guard(ChainNode& node, F&& call, const OriginRef& origin) {
  node.identity.origin = origin == nullptr ? "" : origin->c_str();
  OperatorScope scope(&node.identity);
  Status status;
  bool in_user_code = false;
  try {
    status = call();
  } catch (const OverflowError& error) {
    status = ResourceExhausted("{}", error.what());
  } catch (const StateError& error) {
    status = Internal("{}", error.what());
  } catch (const std::exception& error) {
    status = Internal("{}: {}", DemangledName(typeid(error)), error.what());
    in_user_code = IsOfUserCode(error);
  } catch (...) {
    status = Internal("user code threw something that is not a std::exception");
    in_user_code = true;
  }
  if (!status.ok()) NoteFailure(node, origin, in_user_code);
  return status;
}

void Chain::NoteFailure(const ChainNode& node, const OriginRef& origin, bool in_user_code) {
  failed_operator_ = node.context->operator_name();
  failed_operator_id_ = node.identity.operator_id;
  failed_origin_ = origin;
  failed_in_user_code_ = in_user_code;
}

Status Chain::Open() {
  for (ChainNode& node : nodes_) {
    ++opened_;
    EAGRE_RETURN_IF_ERROR(Guard(node, [&] { return node.op->Open(*node.context); }));
  }
  return OkStatus();
}

Status Chain::Begin() {
  for (ChainNode& node : nodes_) EAGRE_RETURN_IF_ERROR(Guard(node, [&] { return node.op->Begin(); }));
  return OkStatus();
}

Status Chain::Close(bool failed) {
  Status first;
  for (; opened_ > 0; --opened_) {
    ChainNode& node = nodes_[opened_ - 1];
    Status status = Guard(node, [&] { return node.op->Close(failed); });
    if (first.ok()) first = status;
  }
  return first;
}

void Chain::PushBatch(int input, std::unique_ptr<Batch> batch, OriginRef origin) {
  EAGRE_DCHECK(drained_);
  ChainNode& head = nodes_[0];
  head.input = std::move(batch);
  head.input_index = input;
  head.position = 0;
  head.input_origin = std::move(origin);
  head.context->metrics().records_in->Add(static_cast<int64_t>(head.input->size()));
  drained_ = false;
}

void Chain::PushEvent(const ControlEvent& event) {
  EAGRE_DCHECK(takes_events());
  ChainNode& head = nodes_[0];
  if (head.stands && event.kind != ControlEvent::Kind::kBarrier) {
    head.waiting.push_back({.event = event});
  } else {
    head.incoming = event;
  }
  cursor_ = 0;
  drained_ = stands_ = false;
}

void Chain::set_overtaking(bool overtaking, size_t most_bytes) {
  overtaking_ = overtaking;
  most_waiting_bytes_ = most_bytes;
  if (overtaking) return;
  for (ChainNode& node : nodes_) node.stands = false;
  stands_ = false;
}

void Chain::PutBefore(int node, WaitingElement element) {
  if (element.batch != nullptr) waiting_bytes_ += BytesOf(*element.batch);
  nodes_[node].waiting.push_back(std::move(element));
  drained_ = false;
}

void Chain::TakeWaiting(ChainNode& node) {
  WaitingElement element = std::move(node.waiting.front());
  node.waiting.pop_front();
  if (element.batch == nullptr) {
    node.incoming = element.event;
    return;
  }
  waiting_bytes_ -= BytesOf(*element.batch);
  node.input = std::move(element.batch);
  node.input_index = element.input_index;
  node.position = 0;
  node.input_origin = std::move(element.origin);
}

bool Chain::HasWork(const ChainNode& node) {
  return node.incoming.has_value() || (node.input != nullptr && !node.input->empty()) || !node.waiting.empty();
}

StatusOr<SourceOperator::Produced> Chain::Produce() {
  EAGRE_DCHECK(drained_ && source_ != nullptr);
  StatusOr<SourceOperator::Produced> produced = SourceOperator::Produced::kEnd;
  const Status status = Guard(nodes_[0], [&] {
    produced = source_->Produce();
    return produced.status();
  });
  nodes_[0].origin = source_->record_origin();
  if (!status.ok()) {
    failed_origin_ = nodes_[0].origin;
    return status;
  }
  drained_ = false;
  return produced;
}

std::unique_ptr<Batch> Chain::TakeInput() {
  EAGRE_DCHECK(drained_);
  return std::move(nodes_[0].input);
}

// Hands the port's first batch to the chained operator.
Chain::Step Chain::PassBatch(ChainNode& node, ChainPort& port) {
  ChainNode& child = nodes_[port.child];
  std::unique_ptr<Batch>& batch = *port.output->Front();
  const auto records = static_cast<int64_t>(batch->size());
  if (child.stands && waiting_bytes_ <= most_waiting_bytes_) {
    waiting_bytes_ += BytesOf(*batch);
    std::unique_ptr<Batch> empty = port.output->type().create();
    child.waiting.push_back({.batch = std::exchange(batch, std::move(empty)), .origin = node.origin});
  } else if (HasWork(child)) {
    cursor_ = port.child;
    return Step::kMoved;
  } else {
    if (child.input == nullptr) child.input = port.output->type().create();
    std::swap(batch, child.input);
    child.input_index = 0;
    child.position = 0;
    child.input_origin = node.origin;
    cursor_ = port.child;
  }
  node.context->metrics().records_out->Add(records);
  child.context->metrics().records_in->Add(records);
  port.output->PopFront();
  return Step::kMoved;
}

Chain::Step Chain::PassRecords(ChainNode& node) {
  for (ChainPort& port : node.ports) {
    while (std::unique_ptr<Batch>* front = port.output->Front()) {
      if (port.child >= 0) return PassBatch(node, port);
      const auto records = static_cast<int64_t>((*front)->size());
      for (size_t& w = port.writer_position; w < port.writers.size(); ++w) {
        if (!port.writers[w]->SetOrigin(node.origin)) return Step::kBlocked;
        if (!port.writers[w]->Write(*front, w + 1 == port.writers.size())) return Step::kBlocked;
      }
      port.writer_position = 0;
      node.context->metrics().records_out->Add(records);
      port.output->PopFront();
    }
  }
  return Step::kNothing;
}

Chain::Step Chain::PassEvent(ChainNode& node) {
  const ControlEvent event = node.queued.front();
  for (size_t& p = node.port_position; p < node.ports.size();) {
    ChainPort& port = node.ports[p];
    if (port.child >= 0) {
      ChainNode& child = nodes_[port.child];
      const bool barrier = event.kind == ControlEvent::Kind::kBarrier;
      if (child.stands && !barrier) {
        child.waiting.push_back({.event = event});
        ++p;
        continue;
      }
      cursor_ = port.child;
      if (HasWork(child) && !child.stands) return Step::kMoved;
      child.incoming = event;
      ++p;
      return Step::kMoved;
    }
    if (event.kind != ControlEvent::Kind::kProcessingTime) {
      for (size_t& w = port.writer_position; w < port.writers.size(); ++w) {
        if (!port.writers[w]->Send(event)) return Step::kBlocked;
      }
      port.writer_position = 0;
    }
    ++p;
  }
  node.queued.pop_front();
  node.port_position = 0;
  return Step::kMoved;
}

Status Chain::HandleEvent(ChainNode& node) {
  const ControlEvent event = *node.incoming;
  if (skips_operators_) {
    node.incoming.reset();
    node.queued.push_back(event);
    return OkStatus();
  }
  node.origin.reset();
  bool done = true;
  bool forward = true;
  EAGRE_RETURN_IF_ERROR(Guard(node, [&]() -> Status {
    switch (event.kind) {
      case ControlEvent::Kind::kWatermark:
        forward = node.op->forwards_watermarks();
        if (Gauge* shown = node.context->metrics().input_watermark) shown->Set(static_cast<double>(event.value));
        return node.op->OnWatermark(event.value, done);
      case ControlEvent::Kind::kProcessingTime: return node.op->OnProcessingTime(event.value, done);
      case ControlEvent::Kind::kEndOfInput: return node.op->OnEndOfInput(done);
      case ControlEvent::Kind::kBarrier: return node.op->OnBarrier(event.value, done);
      case ControlEvent::Kind::kIdle:
      case ControlEvent::Kind::kActive: forward = node.op->forwards_watermarks(); return OkStatus();
    }
    return OkStatus();
  }));
  if (done) {
    node.incoming.reset();
    // What OnBarrier emitted is in the ports already and goes on before the barrier.
    if (event.kind == ControlEvent::Kind::kBarrier && on_barrier_)
      on_barrier_(static_cast<size_t>(&node - nodes_.data()));
    if (forward) node.queued.push_back(event);
  }
  return OkStatus();
}

Status Chain::HandleInput(ChainNode& node) {
  const size_t before = node.position;
  node.origin = node.input_origin;
  EAGRE_RETURN_IF_ERROR(Guard(
      node, [&] { return node.op->Process(node.input_index, node.input, node.position); }, node.origin));
  if (node.position >= node.input->size()) {
    node.input->Clear();
    node.position = 0;
    return OkStatus();
  }
  const bool stopped_for_output =
      std::any_of(node.ports.begin(), node.ports.end(), [](const ChainPort& port) { return !port.output->empty(); });
  if (node.position == before && !stopped_for_output && node.queued.empty() && !node.op->blocked()) {
    NoteFailure(node, node.origin, /*in_user_code=*/false);
    return Internal("operator '{}' neither consumed its input nor emitted", failed_operator_);
  }
  return OkStatus();
}

StatusOr<Chain::Step> Chain::StepNode(ChainNode& node) {
  Step passed = Step::kNothing;
  // Key selectors and partitioners are user code.
  EAGRE_RETURN_IF_ERROR(Guard(
      node,
      [&] {
        passed = PassRecords(node);
        return OkStatus();
      },
      node.origin));
  if (passed != Step::kNothing) return passed;
  if (!node.queued.empty()) return PassEvent(node);
  if (!HasWork(node)) return Step::kNothing;
  if (overtaking_) {
    const bool barrier = node.incoming.has_value() && node.incoming->kind == ControlEvent::Kind::kBarrier;
    // An event that it is handling is handled to its end, unless that may take long.
    const bool interruptible = barrier || !node.incoming.has_value() || node.op->blocked();
    node.stands = node.stands || (interruptible && node.op->overtakable());
    // Too much stands here: it is worked off first, as far as the operator goes on.
    if (waiting_bytes_ > most_waiting_bytes_ && !barrier) node.stands = false;
    if (node.stands) return StepBarrier(node);
  }
  if (node.op->blocked()) return Step::kBlocked;
  if (node.incoming.has_value()) {
    EAGRE_RETURN_IF_ERROR(HandleEvent(node));
    return Step::kMoved;
  }
  if (node.input != nullptr && !node.input->empty()) {
    if (node.sends_at_once && !Flush()) return Step::kBlocked;
    EAGRE_RETURN_IF_ERROR(HandleInput(node));
    return Step::kMoved;
  }
  TakeWaiting(node);
  return Step::kMoved;
}

// Of a node that consumes nothing now: only the barrier is handled.
StatusOr<Chain::Step> Chain::StepBarrier(ChainNode& node) {
  if (!node.incoming.has_value()) return Step::kNothing;
  if (node.incoming->kind != ControlEvent::Kind::kBarrier) {
    // It was being handled when the barrier's turn came, and is handled anew.
    node.waiting.push_front({.event = *std::exchange(node.incoming, std::nullopt)});
    return Step::kNothing;
  }
  EAGRE_RETURN_IF_ERROR(HandleEvent(node));
  return node.incoming.has_value() && node.op->blocked() ? Step::kBlocked : Step::kMoved;
}

StatusOr<Chain::Progress> Chain::Run() {
  if (drained_) return Progress::kDrained;
  for (int calls = 0; calls < kCallsPerRun * static_cast<int>(nodes_.size()); ++calls) {
    EAGRE_ASSIGN_OR_RETURN(const Step step, StepNode(nodes_[cursor_]));
    if (step == Step::kBlocked) return Progress::kBlocked;
    if (step == Step::kMoved) continue;
    if (cursor_ > 0) {
      cursor_ = nodes_[cursor_].parent;
      continue;
    }
    if (MoveToWork()) continue;
    drained_ = !overtaking_ || std::none_of(nodes_.begin(), nodes_.end(), HasWork);
    stands_ = !drained_;
    return drained_ ? Progress::kDrained : Progress::kStands;
  }
  return Progress::kYield;
}

// To the last node with something before it that it may consume; false when there is none.
bool Chain::MoveToWork() {
  for (size_t i = nodes_.size(); i-- > 0;) {
    if (nodes_[i].stands || !HasWork(nodes_[i])) continue;
    cursor_ = static_cast<int>(i);
    return true;
  }
  return false;
}

bool Chain::Flush() {
  bool flushed = true;
  for (ChainNode& node : nodes_) {
    for (ChainPort& port : node.ports) {
      for (auto& writer : port.writers) flushed &= writer->Flush();
    }
  }
  return flushed;
}

Status Chain::RunMail(int node, const std::function<Status()>& mail) {
  return Guard(nodes_[node], mail);
}

Status Chain::OnCoordinatorEvent(int node, std::string_view event) {
  return Guard(nodes_[node], [&] { return nodes_[node].op->OnCoordinatorEvent(event); });
}

Status Chain::HandleLastBarrier(int64_t checkpoint_id, bool& done) {
  EAGRE_DCHECK(drained_);
  done = true;
  for (; last_barrier_node_ < nodes_.size(); ++last_barrier_node_) {
    ChainNode& node = nodes_[last_barrier_node_];
    EAGRE_RETURN_IF_ERROR(Guard(node, [&] { return node.op->OnBarrier(checkpoint_id, done); }));
    if (!done) return OkStatus();
    if (on_barrier_) on_barrier_(last_barrier_node_);
  }
  last_barrier_node_ = 0;
  return OkStatus();
}

Status Chain::OnCheckpointComplete(int64_t checkpoint_id) {
  for (ChainNode& node : nodes_) {
    EAGRE_RETURN_IF_ERROR(Guard(node, [&] { return node.op->OnCheckpointComplete(checkpoint_id); }));
  }
  return OkStatus();
}

Status Chain::OnCheckpointAborted(int64_t checkpoint_id) {
  for (ChainNode& node : nodes_) {
    EAGRE_RETURN_IF_ERROR(Guard(node, [&] { return node.op->OnCheckpointAborted(checkpoint_id); }));
  }
  return OkStatus();
}

bool Chain::awaits_commit() const {
  return std::any_of(nodes_.begin(), nodes_.end(), [](const ChainNode& node) { return node.op->awaits_commit(); });
}

bool Chain::committing() const {
  return std::any_of(nodes_.begin(), nodes_.end(), [](const ChainNode& node) { return node.op->committing(); });
}

int64_t Chain::NextProcessingTimeMs() const {
  if (skips_operators_) return kMaxWatermark;
  int64_t next = kMaxWatermark;
  for (const ChainNode& node : nodes_) next = std::min(next, node.op->NextProcessingTimeMs());
  return next;
}

template <typename Value>
Value Chain::SumOverWriters(Value (PartitionWriter::*value)() const) const {
  Value sum{};
  for (const ChainNode& node : nodes_) {
    for (const ChainPort& port : node.ports) {
      for (const auto& writer : port.writers) sum += ((*writer).*value)();
    }
  }
  return sum;
}

int64_t Chain::QueuedBytes() const {
  return SumOverWriters(&PartitionWriter::QueuedBytes);
}

int64_t Chain::SentBytes() const {
  return SumOverWriters(&PartitionWriter::SentBytes);
}

QueueLoad Chain::OutputLoad() const {
  return SumOverWriters(&PartitionWriter::Load);
}

}  // namespace eagre
