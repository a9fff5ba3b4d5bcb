#include "record/csv.h"

namespace eagre {
namespace {

void AddCsvFields(const TypeInfo& record, const std::string& prefix, size_t offset, std::vector<CsvField>& fields) {
  for (const FieldInfo& field : record.fields) {
    const std::string name = prefix + std::string(field.name);
    if (field.type->kind == TypeKind::kRecord) {
      AddCsvFields(*field.type, name + ".", offset + field.offset, fields);
    } else {
      fields.push_back({name, offset + field.offset, field.type});
    }
  }
}

}  // namespace

std::vector<CsvField> CsvFieldsOf(const TypeInfo& type) {
  if (type.kind != TypeKind::kRecord) return {{"value", 0, &type}};
  std::vector<CsvField> fields;
  AddCsvFields(type, "", 0, fields);
  return fields;
}

}  // namespace eagre
