// The cells of a key that has many, in pages of its keyed state: of an event only the pages that hold what it asks for
// are read, and only those in which it changes something are written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "state/state_pieces.h"

namespace eagre::cep {

// Page n is the piece of number n. The pages that are in memory are noted, so that going to one is an indirection. What
// is longer than a page is a piece of its own, numbered by the cell that stands for it. Everything here throws when the
// store fails or a piece is not what it must be, which is damage.
class CellPages {
 public:
  static constexpr size_t kCellBytes = 16;

  // A page is of 1 << `page_shift` cells.
  explicit CellPages(uint32_t page_shift, uint32_t pages = 0) : page_shift_(page_shift), pages_(pages, nullptr) {}
  // Forgets where the pages are, which stay.
  ~CellPages();
  CellPages(const CellPages&) = delete;
  CellPages& operator=(const CellPages&) = delete;

  // The pieces of the key at hand, whose cells these are: before anything else is done in an event.
  void UsePieces(StatePieces& pieces) { pieces_ = &pieces; }

  uint32_t page_shift() const { return page_shift_; }
  uint32_t page_count() const { return static_cast<uint32_t>(pages_.size()); }
  uint32_t end() const { return page_count() << page_shift_; }  // of the cells
  size_t heap_bytes() const { return sizeof(CellPages) + pages_.capacity() * sizeof(void*); }

  const char* At(uint32_t cell) const {
    StatePiece& page = Page(cell >> page_shift_);
    return page.bytes + OffsetOf(cell);
  }
  // To be changed.
  char* Change(uint32_t cell) {
    StatePiece& page = Page(cell >> page_shift_);
    pieces_->Change(page);
    return page.bytes + OffsetOf(cell);
  }
  // One page more, of zeros.
  void AddPage();
  // Ends all pages.
  void RemoveAll();

  // What is outside of the pages, by the cell that stands for it.
  std::string_view LongBytes(uint32_t cell, uint32_t size) const;
  char* AddLong(uint32_t cell, uint32_t size);
  void RemoveLong(uint32_t cell);

 private:
  static constexpr uint32_t kLong = uint32_t{1} << 31;  // of a piece's number

  uint32_t OffsetOf(uint32_t cell) const {
    return (cell & ((uint32_t{1} << page_shift_) - 1)) * static_cast<uint32_t>(kCellBytes);
  }
  StatePiece& Page(uint32_t number) const {
    if (number >= pages_.size() || pages_[number] == nullptr) [[unlikely]]
      return Fetch(number);
    pieces_->Touch(*pages_[number]);
    return *pages_[number];
  }
  StatePiece& Fetch(uint32_t number) const;

  const uint32_t page_shift_;
  StatePieces* pieces_ = nullptr;
  mutable std::vector<StatePiece*> pages_;  // null: not noted
};

}  // namespace eagre::cep
