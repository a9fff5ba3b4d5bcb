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
  std::swap(freed_, other.freed_);
  std::swap(inline_, other.inline_);
  if (other_was_inline) cells_ = inline_;
  if (was_inline) other.cells_ = other.inline_;
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

}  // namespace eagre::cep
