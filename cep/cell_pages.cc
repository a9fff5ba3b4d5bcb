#include "cep/cell_pages.h"

#include "state/state_declaration.h"

namespace eagre::cep {
namespace {

[[noreturn]] void ThrowDamaged() {
  throw StateError("a piece of a key's partial matches is missing or cut off: the state is damaged");
}

}  // namespace

CellPages::~CellPages() {
  for (StatePiece* page : pages_) {
    if (page != nullptr) page->noted = nullptr;
  }
}

StatePiece& CellPages::Fetch(uint32_t number) const {
  if (number >= pages_.size()) ThrowDamaged();
  StatePiece& page = pieces_->Find(number);
  if (page.size != kCellBytes << page_shift_) ThrowDamaged();
  page.noted = &pages_[number];
  pages_[number] = &page;
  return page;
}

void CellPages::AddPage() {
  const uint32_t number = page_count();
  StatePiece& page = pieces_->Find(number);
  pieces_->Change(page);
  StatePieces::Resize(page, static_cast<uint32_t>(kCellBytes << page_shift_));
  const StatePiece* const* before = pages_.data();
  pages_.push_back(&page);
  if (pages_.data() == before) {
    page.noted = &pages_.back();
    return;
  }
  for (StatePiece*& noted : pages_) {
    if (noted != nullptr) noted->noted = &noted;
  }
}

void CellPages::RemoveAll() {
  for (uint32_t number = 0; number < page_count(); ++number) {
    StatePiece& page = Page(number);
    pieces_->Change(page);
    StatePieces::Resize(page, 0);
  }
  pages_.clear();
}

std::string_view CellPages::LongBytes(uint32_t cell, uint32_t size) const {
  const StatePiece& piece = pieces_->Find(kLong | cell);
  if (piece.size != size) ThrowDamaged();
  return {piece.bytes, piece.size};
}

char* CellPages::AddLong(uint32_t cell, uint32_t size) {
  StatePiece& piece = pieces_->Find(kLong | cell);
  pieces_->Change(piece);
  StatePieces::Resize(piece, size);
  return piece.bytes;
}

void CellPages::RemoveLong(uint32_t cell) {
  StatePiece& piece = pieces_->Find(kLong | cell);
  pieces_->Change(piece);
  StatePieces::Resize(piece, 0);
}

}  // namespace eagre::cep
