#include "cep/key_matches.h"

#include <algorithm>
#include <memory>
#include <vector>

namespace eagre::cep {
namespace {

enum class Form : uint8_t { kChains = 0, kGraph = 1, kPages = 2 };

}  // namespace

MatchGraph& KeyMatches::ToGraph(absl::FunctionRef<bool(StateId)> by_time, uint32_t page_shift) {
  auto graph = std::make_unique<MatchGraph>(page_shift);
  std::vector<ChainEvent> events;
  for (uint32_t at = 0; at < chains_.end();) {
    const Chain chain = chains_.At(at);
    for (uint32_t event_at = chain.begin; event_at < chain.end; event_at = events.back().end) {
      events.push_back(chains_.EventAt(chain, event_at));
    }
    at = chain.end;
  }
  std::stable_sort(events.begin(), events.end(), [](const auto& a, const auto& b) { return a.arrival < b.arrival; });
  std::vector<uint32_t> cells;  // by arrival
  for (const ChainEvent& event : events) {
    if (event.arrival < cells.size()) continue;
    const uint32_t cell = graph->AddEvent(event.timestamp, event.bytes.size());
    event.bytes.copy(graph->MutableEventBytes(cell), event.bytes.size());
    cells.resize(event.arrival + size_t{1}, cell);
  }
  for (uint32_t at = 0; at < chains_.end();) {
    const Chain chain = chains_.At(at);
    uint32_t node = kNoCell;
    uint32_t start = kNoCell;
    for (uint32_t event_at = chain.begin; event_at < chain.end;) {
      const ChainEvent event = chains_.EventAt(chain, event_at);
      if (start == kNoCell) start = cells[event.arrival];
      node = graph->AddNode(cells[event.arrival], node, event.stage);
      event_at = event.end;
    }
    graph->AddPartial(chain.state, node, graph->AddGroup(start), kNoCell, by_time(chain.state));
    at = chain.end;
  }
  chains_.SetElsewhere(graph.release());
  return *this->graph();
}

void KeyMatches::FreeGraph() {
  delete graph();
}

void KeyMatches::Encode(ByteWriter& out) const {
  out.SignedVarint(timer_);
  const Form form = graph() == nullptr ? Form::kChains : graph()->paged() ? Form::kPages : Form::kGraph;
  out.Fixed(static_cast<uint8_t>(form));
  switch (form) {
    case Form::kChains: return chains_.Encode(out);
    case Form::kGraph: return graph()->Encode(out);
    case Form::kPages: return graph()->EncodeHead(out);
  }
}

bool KeyMatches::Decode(ByteReader& in) {
  Forget();
  uint8_t form = 0;
  bool valid = in.SignedVarint(timer_) && in.Fixed(form);
  if (valid && form == static_cast<uint8_t>(Form::kChains)) {
    valid = chains_.Decode(in);
  } else if (valid) {
    auto graph = std::make_unique<MatchGraph>();
    valid = (form == static_cast<uint8_t>(Form::kGraph) && graph->Decode(in)) ||
            (form == static_cast<uint8_t>(Form::kPages) && graph->DecodeHead(in));
    if (valid) chains_.SetElsewhere(graph.release());
  }
  if (!valid) timer_ = INT64_MAX;
  return valid;
}

}  // namespace eagre::cep
