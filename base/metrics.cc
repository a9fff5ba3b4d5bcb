#include "base/metrics.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "base/check.h"
#include "base/logging.h"

namespace eagre {
namespace {

// The arena: a header, then entries one after another, each aligned to kEntryAlignment:
//   uint32 size of the entry, uint8 kind, 3 bytes of nothing, the 64-bit cell, then as ByteWriter writes them
//   name, help, number of labels, and each label's name and value.
// Entries below `published_end` are complete and do not change except for their cells.
constexpr uint64_t kArenaMagic = 0x31304352544D4745;  // "EGMTRC01"
constexpr size_t kEntryAlignment = 8;
constexpr size_t kEntryFixedBytes = 16;
constexpr size_t kCellOffset = 8;
constexpr size_t kMostLabels = 64;

struct ArenaHeader {
  std::atomic<uint64_t> magic;  // written last when an arena is made
  std::atomic<uint64_t> published_end;
  std::atomic<uint64_t> dropped;
  uint64_t reserved[5];
};
static_assert(sizeof(ArenaHeader) == 64);
static_assert(std::atomic<uint64_t>::is_always_lock_free, "cells are shared between processes");

bool ParseMetricText(std::string_view bytes, MetricSample& sample) {
  ByteReader reader(bytes);
  uint32_t labels = 0;
  if (!reader.String(sample.name) || !reader.String(sample.help) || !reader.Varint(labels)) return false;
  if (sample.name.empty() || labels > kMostLabels) return false;
  sample.labels.resize(labels);
  for (auto& [name, value] : sample.labels) {
    if (!reader.String(name) || !reader.String(value)) return false;
  }
  return true;
}

// The entry at `data`, if it is one. Nothing in the arena is believed: its writer may be broken, or write at this
// moment.
bool ReadEntry(std::byte* data, size_t available, uint32_t& size, MetricSample& sample) {
  std::memcpy(&size, data, sizeof(size));
  if (size < kEntryFixedBytes || size % kEntryAlignment != 0 || size > available) return false;
  uint8_t kind;
  std::memcpy(&kind, data + sizeof(size), sizeof(kind));
  if (kind < static_cast<uint8_t>(MetricKind::kCounter) || kind > static_cast<uint8_t>(MetricKind::kSummarySum))
    return false;
  sample.kind = static_cast<MetricKind>(kind);
  const std::string text(reinterpret_cast<const char*>(data + kEntryFixedBytes), size - kEntryFixedBytes);
  if (!ParseMetricText(text, sample)) return false;
  const uint64_t bits = reinterpret_cast<std::atomic<uint64_t>*>(data + kCellOffset)->load(std::memory_order_relaxed);
  sample.value = sample.kind == MetricKind::kCounter ? static_cast<double>(static_cast<int64_t>(bits))
                                                     : std::bit_cast<double>(bits);
  return true;
}

std::vector<MetricSample> CollectEntries(std::byte* data, size_t bytes) {
  std::vector<MetricSample> samples;
  auto* header = reinterpret_cast<ArenaHeader*>(data);
  if (header->magic.load(std::memory_order_acquire) != kArenaMagic) return samples;
  if (const uint64_t dropped = header->dropped.load(std::memory_order_relaxed); dropped > 0) {
    samples.push_back({.name = "eagre_metrics_dropped",
                       .labels = {},
                       .help = "Metrics that are not shown because the segment for them is full",
                       .kind = MetricKind::kCounter,
                       .value = static_cast<double>(dropped)});
  }
  const size_t end = std::min<uint64_t>(header->published_end.load(std::memory_order_acquire), bytes);
  uint32_t size = 0;
  for (size_t at = sizeof(ArenaHeader); at + kEntryFixedBytes <= end; at += size) {
    MetricSample sample;
    if (!ReadEntry(data + at, end - at, size, sample)) break;
    samples.push_back(std::move(sample));
  }
  return samples;
}

StatusOr<std::byte*> MapSegment(int fd, size_t bytes, int protection) {
  if (bytes < sizeof(ArenaHeader)) return InvalidArgument("a metric segment of {} bytes is too small", bytes);
  const off_t size = lseek(fd, 0, SEEK_END);
  // Touching memory behind the end of the file would be a fatal signal.
  if (size < 0 || static_cast<size_t>(size) < bytes) {
    return InvalidArgument("the metric segment has {} bytes, expected {}", static_cast<int64_t>(size), bytes);
  }
  void* data = mmap(nullptr, bytes, protection, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return Unavailable("cannot map the metric segment: {}", std::strerror(errno));
  return static_cast<std::byte*>(data);
}

bool IsMetricCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ':' || c == '_';
}

std::string MetricIdentity(std::string_view name, const MetricLabels& labels) {
  std::string identity;
  ByteWriter writer(identity);
  writer.String(FilterMetricText(name));
  for (const auto& [label, value] : labels) {
    writer.String(FilterMetricText(label));
    writer.String(FilterMetricText(value));
  }
  return identity;
}

double QuantileOf(const std::vector<double>& sorted, double quantile) {
  if (sorted.empty()) return 0;
  return sorted[static_cast<size_t>(quantile * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

// The writing side. Not thread-safe but for the cells.
class MetricRegistry::Arena {
 public:
  explicit Arena(size_t bytes) : bytes_(std::max(bytes, sizeof(ArenaHeader))) {
    // Zeroed pages that cost nothing until they are touched.
    void* data = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EAGRE_CHECK_MSG(data != MAP_FAILED, "no memory for metrics");
    data_ = static_cast<std::byte*>(data);
    Format();
  }
  Arena(std::byte* data, size_t bytes) : data_(data), bytes_(bytes) { Format(); }
  ~Arena() { munmap(data_, bytes_); }

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  ArenaHeader& header() const { return *reinterpret_cast<ArenaHeader*>(data_); }

  // Null when there is no place.
  std::atomic<uint64_t>* Append(MetricKind kind, std::string_view text) {
    const size_t at = header().published_end.load(std::memory_order_relaxed);
    const size_t unpadded = kEntryFixedBytes + text.size();
    const size_t size = (unpadded + kEntryAlignment - 1) / kEntryAlignment * kEntryAlignment;
    if (size > bytes_ - at) {
      header().dropped.fetch_add(1, std::memory_order_relaxed);
      return nullptr;
    }
    const auto size32 = static_cast<uint32_t>(size);
    const auto kind8 = static_cast<uint8_t>(kind);
    std::memset(data_ + at, 0, size);
    std::memcpy(data_ + at, &size32, sizeof(size32));
    std::memcpy(data_ + at + sizeof(size32), &kind8, sizeof(kind8));
    std::memcpy(data_ + at + kEntryFixedBytes, text.data(), text.size());
    header().published_end.store(at + size, std::memory_order_release);
    return reinterpret_cast<std::atomic<uint64_t>*>(data_ + at + kCellOffset);
  }

 private:
  void Format() {
    header().magic.store(0, std::memory_order_relaxed);
    header().published_end.store(sizeof(ArenaHeader), std::memory_order_relaxed);
    header().dropped.store(0, std::memory_order_relaxed);
    header().magic.store(kArenaMagic, std::memory_order_release);
  }

  std::byte* data_;
  const size_t bytes_;
};

MetricRegistry::MetricRegistry(size_t bytes) : MetricRegistry(std::make_unique<Arena>(bytes)) {}

MetricRegistry::MetricRegistry(std::unique_ptr<Arena> arena) : arena_(std::move(arena)) {}

MetricRegistry::~MetricRegistry() = default;

StatusOr<std::unique_ptr<MetricRegistry>> MetricRegistry::InSegment(int fd, size_t bytes) {
  EAGRE_ASSIGN_OR_RETURN(std::byte* const data, MapSegment(fd, bytes, PROT_READ | PROT_WRITE));
  return std::unique_ptr<MetricRegistry>(new MetricRegistry(std::make_unique<Arena>(data, bytes)));
}

Counter& MetricRegistry::AddCounter(std::string_view name, const MetricLabels& labels, std::string_view help) {
  std::lock_guard lock(mutex_);
  return counters_.emplace_back(CellFor(MetricKind::kCounter, name, labels, help));
}

Gauge& MetricRegistry::AddGauge(std::string_view name, const MetricLabels& labels, std::string_view help) {
  return AddGaugeOfKind(MetricKind::kGauge, name, labels, help);
}

Gauge& MetricRegistry::AddGaugeOfKind(MetricKind kind, std::string_view name, const MetricLabels& labels,
                                      std::string_view help) {
  std::lock_guard lock(mutex_);
  return gauges_.emplace_back(CellFor(kind, name, labels, help));
}

Meter& MetricRegistry::AddMeter(std::string_view name, const MetricLabels& labels, std::string_view help) {
  Gauge& rate = AddGauge(name, labels, help);
  std::lock_guard lock(mutex_);
  std::unique_ptr<Meter>& meter = meters_[MetricIdentity(name, labels)];
  if (meter == nullptr) meter = std::make_unique<Meter>(rate);
  return *meter;
}

Histogram& MetricRegistry::AddHistogram(std::string_view name, const MetricLabels& labels, std::string_view help) {
  std::vector<Gauge*> quantiles;
  for (const double quantile : Histogram::kQuantiles) {
    MetricLabels with_quantile = labels;
    with_quantile.emplace_back(kQuantileLabel, fmt::format("{}", quantile));
    quantiles.push_back(&AddGaugeOfKind(MetricKind::kSummaryQuantile, name, with_quantile, help));
  }
  const auto part = [&](MetricKind kind, std::string_view suffix) -> Gauge& {
    return AddGaugeOfKind(kind, fmt::format("{}{}", name, suffix), labels, help);
  };
  Gauge& count = part(MetricKind::kSummaryCount, kSummaryCountSuffix);
  Gauge& sum = part(MetricKind::kSummarySum, kSummarySumSuffix);
  std::lock_guard lock(mutex_);
  std::unique_ptr<Histogram>& histogram = histograms_[MetricIdentity(name, labels)];
  if (histogram == nullptr) histogram = std::make_unique<Histogram>(std::move(quantiles), count, sum);
  return *histogram;
}

void MetricRegistry::AddRate(const Counter& counter, std::string_view name, const MetricLabels& labels,
                             std::string_view help) {
  Meter& meter = AddMeter(name, labels, help);
  std::lock_guard lock(mutex_);
  rates_[&meter] = &counter;
}

void MetricRegistry::UpdateViews(int64_t now_ns) {
  std::lock_guard lock(mutex_);
  for (const auto& [meter, counter] : rates_) meter->Mark(counter->value() - meter->count());
  for (const auto& [identity, meter] : meters_) meter->Update(now_ns);
  for (const auto& [identity, histogram] : histograms_) histogram->Show();
}

void Meter::Update(int64_t now_ns) {
  constexpr int64_t kWindowNs = 60'000'000'000;
  const int64_t now_count = count();
  history_.emplace_back(now_ns, now_count);
  while (history_.size() > 2 && history_[1].first <= now_ns - kWindowNs) history_.pop_front();
  const auto [then_ns, then_count] = history_.front();
  if (now_ns > then_ns)
    rate_->Set(static_cast<double>(now_count - then_count) * 1e9 / static_cast<double>(now_ns - then_ns));
}

Histogram::Histogram(std::vector<Gauge*> quantiles, Gauge& count, Gauge& sum)
    : quantiles_(std::move(quantiles)),
      shown_count_(&count),
      shown_sum_(&sum),
      values_(new std::atomic<double>[kWindow]()) {}

std::vector<double> Histogram::SortedWindow() const {
  const auto size = static_cast<size_t>(std::min<int64_t>(count_.load(std::memory_order_acquire), kWindow));
  std::vector<double> values(size);
  for (size_t i = 0; i < size; ++i) values[i] = values_[i].load(std::memory_order_relaxed);
  std::sort(values.begin(), values.end());
  return values;
}

double Histogram::Quantile(double quantile) const {
  return QuantileOf(SortedWindow(), quantile);
}

void Histogram::Show() {
  const std::vector<double> sorted = SortedWindow();
  for (size_t i = 0; i < quantiles_.size(); ++i) quantiles_[i]->Set(QuantileOf(sorted, kQuantiles[i]));
  shown_count_->Set(static_cast<double>(count()));
  shown_sum_->Set(sum_.load(std::memory_order_relaxed));
}

std::atomic<uint64_t>* MetricRegistry::CellFor(MetricKind kind, std::string_view name, const MetricLabels& labels,
                                               std::string_view help) {
  EAGRE_CHECK_MSG(labels.size() <= kMostLabels, "a metric has too many labels");
  const std::string filtered_name = FilterMetricText(name);
  MetricLabels filtered_labels;
  for (const auto& [label, value] : labels) {
    filtered_labels.emplace_back(FilterMetricText(label),  // numbers are not filtered
                                 label == kQuantileLabel ? value : FilterMetricText(value));
  }
  std::string text;
  ByteWriter writer(text);
  writer.String(filtered_name);
  writer.String(help);
  writer.Varint(filtered_labels.size());
  for (const auto& [label, value] : filtered_labels) {
    writer.String(label);
    writer.String(value);
  }
  std::string identity(1, static_cast<char>(kind));
  ByteWriter identity_writer(identity);
  identity_writer.String(filtered_name);
  for (const auto& [label, value] : filtered_labels) {
    identity_writer.String(label);
    identity_writer.String(value);
  }
  const auto [known, is_new] = cells_.try_emplace(std::move(identity), &hidden_cell_);
  if (is_new) {
    if (auto* const cell = arena_->Append(kind, text)) {
      known->second = cell;
    } else if (dropped() == 1) {
      EAGRE_LOG_WARN("metrics beyond {} bytes are not shown, '{}' is the first of them: eagre_metrics_dropped counts",
                     arena_->bytes(), filtered_name);
    }
  }
  return known->second;
}

std::vector<MetricSample> MetricRegistry::Collect() const {
  return CollectEntries(arena_->data(), arena_->bytes());
}

int64_t MetricRegistry::dropped() const {
  return static_cast<int64_t>(arena_->header().dropped.load(std::memory_order_relaxed));
}

StatusOr<int> CreateMetricSegment(size_t bytes) {
  const int fd = memfd_create("eagre-metrics", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return ResourceExhausted("cannot create a metric segment: {}", std::strerror(errno));
  if (ftruncate(fd, static_cast<off_t>(bytes)) != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
    const int error = errno;
    close(fd);
    return ResourceExhausted("cannot make a metric segment of {} bytes: {}", bytes, std::strerror(error));
  }
  return fd;
}

StatusOr<std::unique_ptr<MetricSegmentReader>> MetricSegmentReader::Open(int fd, size_t bytes) {
  EAGRE_ASSIGN_OR_RETURN(std::byte* const data, MapSegment(fd, bytes, PROT_READ));
  return std::unique_ptr<MetricSegmentReader>(new MetricSegmentReader(data, bytes));
}

MetricSegmentReader::~MetricSegmentReader() {
  munmap(const_cast<std::byte*>(data_), bytes_);
}

std::vector<MetricSample> MetricSegmentReader::Collect() const {
  // The shared walk needs a mutable pointer only for the writer's cells; reading stores nothing.
  return CollectEntries(const_cast<std::byte*>(data_), bytes_);
}

std::string FilterMetricText(std::string_view text) {
  std::string filtered(text);
  for (char& c : filtered) {
    if (!IsMetricCharacter(c)) c = '_';
  }
  return filtered;
}

}  // namespace eagre
