#include "cep/cell_arena.h"

#include <algorithm>
#include <new>

#include "base/check.h"

namespace eagre::cep {

void CellArena::Swap(CellArena& other) noexcept {
  const bool was_inline = cells_ == inline_;
  const bool other_was_inline = other.cells_ == other.inline_;
  std::swap(cells_, other.cells_);
  std::swap(used_, other.used_);
  std::swap(capacity_, other.capacity_);
  std::swap(pages_, other.pages_);
  std::swap(page_shift_, other.page_shift_);
  std::swap(freed_, other.freed_);
  std::swap(inline_, other.inline_);
  if (other_was_inline) cells_ = inline_;
  if (was_inline) other.cells_ = other.inline_;
}

void CellArena::Clear() {
  if (pages_ != nullptr) {
    pages_->RemoveAll();
    pages_.reset();
  }
  FreeBlock();
  Reset();
}

void CellArena::MakeRoom(uint32_t cells) {
  EAGRE_CHECK_MSG(used_ < kNoCell / 2 - 2 * kMaxCells, "the matches of one key need more than 32 GiB");
  // What is left of the page goes to shorter stretches, of which there may be some.
  const uint32_t page = uint32_t{1} << page_shift_;
  const uint32_t rest = CrossesPage(cells) ? page - (used_ & (page - 1)) : 0;
  if (capacity_ - used_ < rest + cells && pages_ == nullptr) Grow(rest + cells);
  if (rest > 0) {
    Free(used_, rest);
    used_ += rest;
  }
  if (pages_ == nullptr || used_ < capacity_) return;
  pages_->AddPage();
  capacity_ = pages_->end();
}

void CellArena::Grow(uint32_t cells) {
  EAGRE_CHECK_MSG(capacity_ < kNoCell / 2 - kMaxCells, "the matches of one key need more than 32 GiB");
  // Half as much again: a key is mostly small, and a large one may be very large.
  const uint32_t capacity = std::max(capacity_ + capacity_ / 2, used_ + cells) + kMaxCells;
  auto* block = static_cast<char*>(::operator new (size_t{capacity} * kCellBytes));
  std::memcpy(block, cells_, size_t{used_} * kCellBytes);
  FreeBlock();
  cells_ = block;
  capacity_ = capacity;
}

void CellArena::ToPages(StatePieces& pieces) {
  auto pages = std::make_unique<CellPages>(page_shift_);
  pages->UsePieces(pieces);
  const uint32_t page_cells = uint32_t{1} << page_shift_;
  for (uint32_t cell = 0; cell < used_; cell += page_cells) {
    pages->AddPage();
    std::memcpy(pages->Change(cell), cells_ + size_t{cell} * kCellBytes,
                std::min(page_cells, used_ - cell) * kCellBytes);
  }
  FreeBlock();
  cells_ = inline_;
  pages_ = std::move(pages);
  capacity_ = pages_->end();
}

void CellArena::EncodeHead(ByteWriter& out) const {
  out.Varint(page_shift_);
  out.Varint(used_);
  for (const uint32_t freed : freed_) out.Varint(freed == kNoCell ? 0 : freed + 1);
}

bool CellArena::DecodeHead(ByteReader& in) {
  if (!in.Varint(page_shift_) || page_shift_ < kMinPageShift || page_shift_ > kPageShift) return false;
  if (!in.Varint(used_) || used_ == 0 || used_ >= kNoCell / 2) return false;
  for (uint32_t& freed : freed_) {
    if (!in.Varint(freed) || freed > used_) return false;
    freed = freed == 0 ? kNoCell : freed - 1;
  }
  pages_ = std::make_unique<CellPages>(page_shift_, ((used_ - 1) >> page_shift_) + 1);
  capacity_ = pages_->end();
  return true;
}

}  // namespace eagre::cep
