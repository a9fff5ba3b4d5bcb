// How much two words differ, to guess what was meant by one that nobody knows.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace eagre {

// Levenshtein's: the fewest insertions, removals and replacements that make one of the other.
size_t EditDistance(std::string_view a, std::string_view b);

// Of the words that are offered, the one that differs least from `wanted`, and by no more than `most`; of several the
// first. Keeps no word that is passed.
class NearestWord {
 public:
  NearestWord(std::string_view wanted, size_t most) : wanted_(wanted), limit_(most + 1) {}
  void Offer(std::string_view word);
  // Empty: none is near.
  const std::string& found() const { return found_; }

 private:
  const std::string wanted_;
  size_t limit_;
  std::string found_;
};

}  // namespace eagre
