#include "connectors/file/row_parser.h"

namespace eagre {

StatusOr<std::unique_ptr<RowParser>> CsvRowParser::Create(const TypeInfo& type, const CsvOptions& options,
                                                          const std::vector<std::string>& columns) {
  std::unique_ptr<CsvRowParser> parser(new CsvRowParser(type, options, columns.empty()));
  if (!columns.empty()) EAGRE_RETURN_IF_ERROR(parser->parser_.SetColumns(columns));
  return parser;
}

}  // namespace eagre
