#include "connectors/file/row_encoder.h"

#include "record/csv_writer.h"
#include "record/json_writer.h"

namespace eagre {
namespace {

class NdjsonEncoder final : public RowEncoder {
 public:
  explicit NdjsonEncoder(const TypeInfo& type) : type_(type) {}
  void AppendRow(const void* record, std::string& out) override {
    AppendJson(type_, record, out);
    out.push_back('\n');
  }

 private:
  const TypeInfo& type_;
};

class CsvEncoder final : public RowEncoder {
 public:
  CsvEncoder(const TypeInfo& type, char delimiter, bool header) : writer_(type, delimiter), header_(header) {}
  std::string Header() const override { return header_ ? writer_.Header() : ""; }
  void AppendRow(const void* record, std::string& out) override { writer_.AppendRow(record, out); }

 private:
  const CsvWriter writer_;
  const bool header_;
};

}  // namespace

RowEncoderFactory NdjsonEncoders() {
  return [](const TypeInfo& type) { return std::make_unique<NdjsonEncoder>(type); };
}

RowEncoderFactory CsvEncoders(char delimiter, bool header) {
  return [=](const TypeInfo& type) { return std::make_unique<CsvEncoder>(type, delimiter, header); };
}

}  // namespace eagre
