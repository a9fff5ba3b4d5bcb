#include "runtime/piecewise_operator.h"

#include <algorithm>

namespace eagre {

Status PiecewiseOperator::Process(int input, std::unique_ptr<Batch>& batch, size_t& position) {
  pieces_.resize(std::max(pieces_.size(), static_cast<size_t>(input) + 1));
  Piece& piece = pieces_[static_cast<size_t>(input)];
  if (piece.batch == nullptr) piece.batch = batch->type().create();
  if (piece.batch->empty()) {
    const auto index = static_cast<uint32_t>(position);
    batch->type().append(*batch, &index, 1, *piece.batch);
    piece.position = 0;
  }
  EAGRE_RETURN_IF_ERROR(op_->Process(input, piece.batch, piece.position));
  if (piece.position >= piece.batch->size()) {
    piece.batch->Clear();
    ++position;
  }
  return OkStatus();
}

// Between two records; what a blocked operator has of one it has not consumed. Not between two windows that one
// watermark fires, since what fires then counts as fired as a whole.
bool PiecewiseOperator::overtakable() const {
  if (op_->overtakable()) return true;
  return !within_event_ && std::all_of(pieces_.begin(), pieces_.end(), [](const Piece& piece) {
    return piece.batch == nullptr || piece.batch->empty();
  });
}

}  // namespace eagre
