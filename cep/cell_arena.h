// The memory of one key's matches: pieces of 16-byte cells, addressed by the number of their first cell, so that the
// whole may move. A key with one short partial match lies in the arena itself; more is one block of the heap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace eagre::cep {

inline constexpr uint32_t kNoCell = UINT32_MAX;

// Pieces hold trivial types only. What At returns is valid until Allocate. Not thread-safe.
class CellArena {
 public:
  static constexpr size_t kCellBytes = 16;
  // The longest piece.
  static constexpr uint32_t kMaxCells = 8;

  CellArena() { Reset(); }
  ~CellArena() { FreeBlock(); }
  CellArena(const CellArena&) = delete;
  CellArena& operator=(const CellArena&) = delete;
  void Swap(CellArena& other) noexcept;

  // Uninitialized; of 1 to kMaxCells cells.
  uint32_t Allocate(uint32_t cells) {
    uint32_t& freed = freed_[cells - 1];
    if (freed != kNoCell) {
      const uint32_t cell = freed;
      std::memcpy(&freed, At(cell), sizeof(freed));
      return cell;
    }
    if (capacity_ - used_ < cells) [[unlikely]]
      Grow(cells);
    const uint32_t cell = used_;
    used_ += cells;
    return cell;
  }
  // `cells` as it was allocated with. Its memory goes to pieces of the same length.
  void Free(uint32_t cell, uint32_t cells) {
    std::memcpy(At(cell), &freed_[cells - 1], sizeof(uint32_t));
    freed_[cells - 1] = cell;
  }
  // Frees everything.
  void Clear() {
    FreeBlock();
    Reset();
  }

  char* At(uint32_t cell) { return cells_ + size_t{cell} * kCellBytes; }
  const char* At(uint32_t cell) const { return cells_ + size_t{cell} * kCellBytes; }
  // All cells have smaller numbers.
  uint32_t end() const { return used_; }
  // Starts loading the first cells into the cache where they are on the heap.
  void Prefetch() const {
    if (cells_ == inline_) return;
    for (size_t offset = 0; offset < kPrefetchedBytes; offset += 64) __builtin_prefetch(cells_ + offset, 1, 3);
  }
  size_t heap_bytes() const { return cells_ == inline_ ? 0 : size_t{capacity_} * kCellBytes; }

 private:
  // One partial match of one event of up to 40 bytes (KeyMatches).
  static constexpr uint32_t kInlineCells = 10;

  // Two events and what belongs to them.
  static constexpr size_t kPrefetchedBytes = 256;

  void Reset() {
    cells_ = inline_;
    used_ = 0;
    capacity_ = kInlineCells;
    for (uint32_t& freed : freed_) freed = kNoCell;
  }
  void FreeBlock() {
    if (cells_ != inline_) ::operator delete(cells_);
  }
  void Grow(uint32_t cells);

  char* cells_;
  uint32_t used_;
  uint32_t capacity_;
  uint32_t freed_[kMaxCells];  // by length; each freed piece begins with the next one
  alignas(8) char inline_[kInlineCells * kCellBytes];
};

}  // namespace eagre::cep
