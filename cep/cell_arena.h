// The memory of one key's matches: stretches of 16-byte cells, addressed by the number of their first cell, so that the
// whole may move. A key with one short partial match lies in the arena itself; more is one block of the heap, and what
// is large is in pages of the keyed state (cep/cell_pages.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "cep/cell_pages.h"

namespace eagre::cep {

inline constexpr uint32_t kNoCell = UINT32_MAX;

// Stretches hold trivial types only, and none crosses the border of a page. What At returns is valid until Allocate.
// Not thread-safe.
class CellArena {
 public:
  static constexpr size_t kCellBytes = CellPages::kCellBytes;
  // The longest stretch.
  static constexpr uint32_t kMaxCells = 8;
  // Of the cells of a page: one that is written for a few cells should not be large, nor its row's head show.
  static constexpr uint32_t kPageShift = 6;
  static constexpr uint32_t kMinPageShift = 3;  // kMaxCells

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
      std::memcpy(&freed, std::as_const(*this).At(cell), sizeof(freed));
      return cell;
    }
    if (capacity_ - used_ < cells || CrossesPage(cells)) [[unlikely]]
      MakeRoom(cells);
    const uint32_t cell = used_;
    used_ += cells;
    return cell;
  }
  // `cells` as it was allocated with. Its memory goes to stretches of the same length.
  void Free(uint32_t cell, uint32_t cells) {
    std::memcpy(At(cell), &freed_[cells - 1], sizeof(uint32_t));
    freed_[cells - 1] = cell;
  }
  // Frees everything.
  void Clear();

  // To be changed.
  char* At(uint32_t cell) { return pages_ == nullptr ? cells_ + size_t{cell} * kCellBytes : pages_->Change(cell); }
  const char* At(uint32_t cell) const {
    return pages_ == nullptr ? cells_ + size_t{cell} * kCellBytes : pages_->At(cell);
  }
  // All cells have smaller numbers.
  uint32_t end() const { return used_; }
  size_t heap_bytes() const {
    if (pages_ != nullptr) return pages_->heap_bytes();
    return cells_ == inline_ ? 0 : size_t{capacity_} * kCellBytes;
  }

  // ---- pages ----
  // While nothing was allocated: pages, should there be any, are to be of 1 << `page_shift` cells.
  void set_page_shift(uint32_t page_shift) { page_shift_ = static_cast<uint8_t>(page_shift); }
  // Null while the cells are one block.
  CellPages* pages() { return pages_.get(); }
  const CellPages* pages() const { return pages_.get(); }
  // Moves the cells to pages; their numbers stay.
  void ToPages(StatePieces& pieces);
  // Which cells are used and which were freed, with pages: what of the arena is not in them.
  void EncodeHead(ByteWriter& out) const;
  // Of a new instance. False on malformed bytes; there are no pages then.
  bool DecodeHead(ByteReader& in);

 private:
  // One partial match of one event of up to 40 bytes (KeyMatches).
  static constexpr uint32_t kInlineCells = 10;

  void Reset() {
    cells_ = inline_;
    used_ = 0;
    capacity_ = kInlineCells;
    for (uint32_t& freed : freed_) freed = kNoCell;
  }
  void FreeBlock() {
    if (cells_ != inline_) ::operator delete(cells_);
  }
  bool CrossesPage(uint32_t cells) const {
    const uint32_t page = uint32_t{1} << page_shift_;
    return (used_ & (page - 1)) + cells > page;
  }
  // So that the next `cells` can be taken, within one page.
  void MakeRoom(uint32_t cells);
  void Grow(uint32_t cells);

  char* cells_;  // with pages inline_, and not used
  uint32_t used_;
  uint32_t capacity_;
  std::unique_ptr<CellPages> pages_;
  uint8_t page_shift_ = kPageShift;
  uint32_t freed_[kMaxCells];  // by length; each freed stretch begins with the next one
  alignas(8) char inline_[kInlineCells * kCellBytes];
};

}  // namespace eagre::cep
