#include "cep/key_matches.h"

#include <algorithm>
#include <memory>
#include <vector>

namespace eagre::cep {
namespace {

enum class Form : uint8_t { kChains = 0, kGraph = 1 };

}  // namespace

MatchGraph& KeyMatches::ToGraph(absl::FunctionRef<bool(StateId)> by_time) {
  auto graph = std::make_unique<MatchGraph>();
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
  const Form form = graph() == nullptr ? Form::kChains : Form::kGraph;
  out.Fixed(static_cast<uint8_t>(form));
  form == Form::kChains ? chains_.Encode(out) : graph()->Encode(out);
}

bool KeyMatches::Decode(ByteReader& in) {
  Clear();
  uint8_t form = 0;
  if (!in.SignedVarint(timer_) || !in.Fixed(form)) return Clear(), false;
  if (form == static_cast<uint8_t>(Form::kChains) && chains_.Decode(in)) return true;
  if (form == static_cast<uint8_t>(Form::kGraph)) {
    auto graph = std::make_unique<MatchGraph>();
    if (graph->Decode(in)) return chains_.SetElsewhere(graph.release()), true;
  }
  return Clear(), false;
}

}  // namespace eagre::cep
