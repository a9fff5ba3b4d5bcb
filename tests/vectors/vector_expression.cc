#include "tests/vectors/vector_expression.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <utility>

#include "tests/vectors/form_check.h"

namespace eagre::vectors {
namespace {

using ExpressionPtr = std::shared_ptr<const Expression>;

bool IsTrue(const Value& value) {
  const bool* truth = std::get_if<bool>(&value);
  return truth != nullptr && *truth;
}

class Constant final : public Expression {
 public:
  explicit Constant(Value value) : value_(std::move(value)) {}
  Value Evaluate(const Scope&) const override { return value_; }
  bool iterative() const override { return false; }

 private:
  Value value_;
};

class Field final : public Expression {
 public:
  explicit Field(std::string name) : name_(std::move(name)) {}
  Value Evaluate(const Scope& scope) const override {
    return scope.event == nullptr ? Value() : FieldOf(*scope.event, name_);
  }
  bool iterative() const override { return false; }

 private:
  std::string name_;
};

class Unary final : public Expression {
 public:
  Unary(char op, ExpressionPtr operand) : op_(op), operand_(std::move(operand)) {}
  Value Evaluate(const Scope& scope) const override {
    const Value value = operand_->Evaluate(scope);
    if (op_ == '!') return !IsTrue(value);
    const double* number = std::get_if<double>(&value);
    return number != nullptr ? Value(-*number) : Value();
  }
  bool iterative() const override { return operand_->iterative(); }

 private:
  char op_;
  ExpressionPtr operand_;
};

// Operators of one level, from left to right: a long chain is not a deep tree.
class Chain final : public Expression {
 public:
  explicit Chain(ExpressionPtr first) : first_(std::move(first)) {}
  void Add(std::string_view op, ExpressionPtr operand) { rest_.push_back({op, std::move(operand)}); }

  bool iterative() const override {
    return first_->iterative() ||
           std::any_of(rest_.begin(), rest_.end(), [](const Link& link) { return link.operand->iterative(); });
  }
  Value Evaluate(const Scope& scope) const override {
    Value value = first_->Evaluate(scope);
    for (const Link& link : rest_) value = Combined(value, link, scope);
    return value;
  }

 private:
  struct Link {
    std::string_view op;  // one of those that the parser knows
    ExpressionPtr operand;
  };

  static Value Combined(const Value& left, const Link& link, const Scope& scope) {
    const std::string_view op = link.op;
    if (op == "&&") return IsTrue(left) && IsTrue(link.operand->Evaluate(scope));
    if (op == "||") return IsTrue(left) || IsTrue(link.operand->Evaluate(scope));
    const Value right = link.operand->Evaluate(scope);
    if (op == "==") return left == right;
    if (op == "!=") return left != right;
    const bool ordering = op[0] == '<' || op[0] == '>';
    if (left.index() == 0 || right.index() == 0) return ordering ? Value(false) : Value();
    if (ordering) return Ordered(op, left, right);
    const double* a = std::get_if<double>(&left);
    const double* b = std::get_if<double>(&right);
    return a != nullptr && b != nullptr ? Value(Arithmetic(op[0], *a, *b)) : Value();
  }
  static bool Ordered(std::string_view op, const Value& left, const Value& right) {
    if (op == "<") return left < right;
    if (op == "<=") return left <= right;
    if (op == ">") return left > right;
    return left >= right;
  }
  static double Arithmetic(char op, double a, double b) {
    switch (op) {
      case '+': return a + b;
      case '-': return a - b;
      case '*': return a * b;
      case '/': return a / b;
      default: return std::fmod(a, b);
    }
  }

  ExpressionPtr first_;
  std::vector<Link> rest_;
};

// Over the events taken in a stage: count, sum, first, last.
class Taken final : public Expression {
 public:
  Taken(std::string function, std::string stage, std::string field)
      : function_(std::move(function)), stage_(std::move(stage)), field_(std::move(field)) {}
  bool iterative() const override { return true; }
  Value Evaluate(const Scope& scope) const override {
    const std::vector<const VectorEvent*> events = scope.taken(stage_);
    if (function_ == "count") return static_cast<double>(events.size());
    if (function_ == "sum") {
      double sum = 0;
      for (const VectorEvent* event : events) {
        const Value value = FieldOf(*event, field_);
        if (const double* number = std::get_if<double>(&value)) sum += *number;
      }
      return sum;
    }
    if (events.empty()) return {};
    return FieldOf(function_ == "first" ? *events.front() : *events.back(), field_);
  }

 private:
  std::string function_;
  std::string stage_;
  std::string field_;
};

class Call final : public Expression {
 public:
  Call(std::string function, std::vector<ExpressionPtr> arguments)
      : function_(std::move(function)), arguments_(std::move(arguments)) {}
  bool iterative() const override {
    return std::any_of(arguments_.begin(), arguments_.end(), [](const auto& a) { return a->iterative(); });
  }
  Value Evaluate(const Scope& scope) const override {
    if (function_ == "ts" || function_ == "ctx_ts") return scope.timestamp;
    if (function_ == "proctime") return scope.processing_time;
    const Value first = arguments_[0]->Evaluate(scope);
    const Value second = arguments_[1]->Evaluate(scope);
    const auto* text = std::get_if<std::string>(&first);
    const auto* part = std::get_if<std::string>(&second);
    if (text == nullptr || part == nullptr) return false;
    if (function_ == "startswith") return text->starts_with(*part);
    if (function_ == "endswith") return text->ends_with(*part);
    return text->find(*part) != std::string::npos;
  }

 private:
  std::string function_;
  std::vector<ExpressionPtr> arguments_;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  StatusOr<ExpressionPtr> Run() {
    if (text_.size() > kMaxLength) {
      return InvalidArgument("an expression of {} characters, where at most {} are read", text_.size(), kMaxLength);
    }
    ExpressionPtr expression = Level(0);
    SkipSpace();
    if (at_ != text_.size()) Fail("something follows");
    if (error_.empty()) return expression;
    return InvalidArgument("'{}', position {}: {}", Shortened(text_), error_at_, error_);
  }

 private:
  static constexpr size_t kMaxLength = 65536;
  static constexpr size_t kMaxDepth = 200;
  static constexpr std::string_view kOperators[][4] = {{"||"},     {"&&"},         {"==", "!="}, {"<=", ">=", "<", ">"},
                                                       {"+", "-"}, {"*", "/", "%"}};
  static constexpr size_t kLevels = std::size(kOperators);

  void SkipSpace() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool Accept(std::string_view token) {
    SkipSpace();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  // The first error counts; nothing is read after it.
  ExpressionPtr Fail(std::string error) {
    if (error_.empty()) {
      error_ = std::move(error);
      error_at_ = at_;
      at_ = text_.size();
    }
    return std::make_shared<Constant>(Value());
  }

  ExpressionPtr Level(size_t level) {
    if (level == kLevels) return Prefix();
    ExpressionPtr first = Level(level + 1);
    std::shared_ptr<Chain> chain;
    for (std::string_view op = AcceptOperator(level); !op.empty(); op = AcceptOperator(level)) {
      if (chain == nullptr) chain = std::make_shared<Chain>(first);
      chain->Add(op, Level(level + 1));
    }
    return chain != nullptr ? chain : first;
  }

  // None is empty.
  std::string_view AcceptOperator(size_t level) {
    for (const std::string_view op : kOperators[level]) {
      if (!op.empty() && Accept(op)) return op;
    }
    return {};
  }

  // Whatever is nested comes through here.
  ExpressionPtr Prefix() {
    if (depth_ == kMaxDepth) return Fail(fmt::format("is nested deeper than {} levels", kMaxDepth));
    ++depth_;
    ExpressionPtr expression;
    if (Accept("!")) {
      expression = std::make_shared<Unary>('!', Prefix());
    } else if (Accept("-")) {
      expression = std::make_shared<Unary>('-', Prefix());
    } else {
      expression = Primary();
    }
    --depth_;
    return expression;
  }

  std::string Word() {
    const size_t start = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
    return std::string(text_.substr(start, at_ - start));
  }

  std::string Quoted() {
    const size_t end = text_.find('\'', at_);
    if (end == std::string_view::npos) return Fail("a quote is missing"), std::string();
    std::string text(text_.substr(at_, end - at_));
    at_ = end + 1;
    return text;
  }

  ExpressionPtr Primary() {
    if (Accept("(")) {
      ExpressionPtr inner = Level(0);
      return Accept(")") ? inner : Fail("expected )");
    }
    if (Accept("'")) return std::make_shared<Constant>(Quoted());
    if (at_ == text_.size()) return Fail("ends early");
    if (std::isdigit(static_cast<unsigned char>(text_[at_]))) return Number();
    const std::string word = Word();
    if (word == "true" || word == "false") return std::make_shared<Constant>(word == "true");
    if (word == "null") return std::make_shared<Constant>(Value());
    if (Accept("(")) return Function(word);
    if (IsField(word)) return std::make_shared<Field>(word);
    return Fail("unknown word '" + word + "'");
  }

  ExpressionPtr Number() {
    double number = 0;
    const char* start = text_.data() + at_;
    const auto [end, failure] = std::from_chars(start, text_.data() + text_.size(), number);
    if (failure != std::errc()) return Fail("a number that is out of range");
    at_ += static_cast<size_t>(end - start);
    return std::make_shared<Constant>(number);
  }

  ExpressionPtr Function(const std::string& name) {
    if (name == "count" || name == "sum" || name == "first" || name == "last") {
      if (!Accept("'")) return Fail("expected a stage in quotes");
      const std::string stage = Quoted();
      std::string field;
      if (name != "count") {
        if (!Accept(",")) return Fail("expected , and a field of the events");
        SkipSpace();
        field = Word();
        if (!IsField(field)) return Fail("'" + field + "' is not a field of the events");
      }
      if (!Accept(")")) return Fail("expected )");
      return std::make_shared<Taken>(name, stage, field);
    }
    std::vector<ExpressionPtr> arguments;
    while (!Accept(")")) {
      if (!arguments.empty() && !Accept(",")) return Fail("expected , or )");
      arguments.push_back(Level(0));
      if (!error_.empty()) return arguments.back();
    }
    const bool of_time = name == "ts" || name == "ctx_ts" || name == "proctime";
    const bool of_text = name == "contains" || name == "startswith" || name == "endswith";
    if (!of_time && !of_text) return Fail("unknown function " + name);
    if (arguments.size() != (of_text ? 2 : 0)) return Fail(name + (of_text ? " takes two texts" : " takes nothing"));
    return std::make_shared<Call>(name, std::move(arguments));
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t depth_ = 0;
  std::string error_;
  size_t error_at_ = 0;
};

class ExpressionCondition final : public cep::EventCondition {
 public:
  explicit ExpressionCondition(ExpressionPtr expression) : expression_(std::move(expression)) {}
  bool iterative() const override { return expression_->iterative(); }
  bool Test(const void* event, const cep::ConditionContext& context) const override {
    Scope scope{.event = static_cast<const VectorEvent*>(event),
                .timestamp = static_cast<double>(context.timestamp()),
                .processing_time = static_cast<double>(context.processing_time())};
    scope.taken = [&](std::string_view stage) {
      std::vector<const VectorEvent*> events;
      for (const void* taken : context.EventsOf(stage)) events.push_back(static_cast<const VectorEvent*>(taken));
      return events;
    };
    return IsTrue(expression_->Evaluate(scope));
  }

 private:
  ExpressionPtr expression_;
};

}  // namespace

bool IsField(std::string_view name) {
  return name == "id" || name == "name" || name == "price" || name == "volume" || name == "type";
}

Value FieldOf(const VectorEvent& event, std::string_view field) {
  if (field == "id") return event.id;
  if (field == "name") return event.name;
  if (field == "price") return event.price;
  if (field == "type") return event.type;
  if (field == "volume" && event.volume) return *event.volume;
  return {};
}

std::string TextOf(const VectorEvent& event) {
  return fmt::format("{}({},{},{}{})", event.type, event.id, event.name, event.price,
                     event.volume ? fmt::format(",{}", *event.volume) : "");
}

std::string TextOf(const Value& value) {
  if (const double* number = std::get_if<double>(&value)) return fmt::format("{}", *number);
  if (const bool* truth = std::get_if<bool>(&value)) return *truth ? "true" : "false";
  if (const auto* text = std::get_if<std::string>(&value)) return "\"" + *text + "\"";
  return "null";
}

StatusOr<std::shared_ptr<const Expression>> ParseExpression(std::string_view text) {
  return Parser(text).Run();
}

StatusOr<std::shared_ptr<const cep::EventCondition>> ParseCondition(std::string_view text) {
  EAGRE_ASSIGN_OR_RETURN(ExpressionPtr expression, ParseExpression(text));
  return std::make_shared<const ExpressionCondition>(std::move(expression));
}

}  // namespace eagre::vectors
