#include "tests/vectors/vector_expression.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <utility>

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

Value FieldOf(const VectorEvent* event, const std::string& field) {
  if (event == nullptr) return {};
  if (field == "id") return event->id;
  if (field == "name") return event->name;
  if (field == "price") return event->price;
  if (field == "type") return event->type;
  if (field == "volume" && event->volume) return *event->volume;
  return {};
}

bool IsField(std::string_view name) {
  return name == "id" || name == "name" || name == "price" || name == "volume" || name == "type";
}

class Field final : public Expression {
 public:
  explicit Field(std::string name) : name_(std::move(name)) {}
  Value Evaluate(const Scope& scope) const override { return FieldOf(scope.event, name_); }
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

class Binary final : public Expression {
 public:
  Binary(std::string op, ExpressionPtr left, ExpressionPtr right)
      : op_(std::move(op)), left_(std::move(left)), right_(std::move(right)) {}
  bool iterative() const override { return left_->iterative() || right_->iterative(); }

  Value Evaluate(const Scope& scope) const override {
    const Value left = left_->Evaluate(scope);
    if (op_ == "&&") return IsTrue(left) && IsTrue(right_->Evaluate(scope));
    if (op_ == "||") return IsTrue(left) || IsTrue(right_->Evaluate(scope));
    const Value right = right_->Evaluate(scope);
    if (op_ == "==") return left == right;
    if (op_ == "!=") return left != right;
    const bool ordering = op_[0] == '<' || op_[0] == '>';
    if (left.index() == 0 || right.index() == 0) return ordering ? Value(false) : Value();
    if (ordering) return Ordered(left, right);
    const double* a = std::get_if<double>(&left);
    const double* b = std::get_if<double>(&right);
    return a != nullptr && b != nullptr ? Value(Arithmetic(*a, *b)) : Value();
  }

 private:
  bool Ordered(const Value& left, const Value& right) const {
    if (op_ == "<") return left < right;
    if (op_ == "<=") return left <= right;
    if (op_ == ">") return left > right;
    return left >= right;
  }
  double Arithmetic(double a, double b) const {
    switch (op_[0]) {
      case '+': return a + b;
      case '-': return a - b;
      case '*': return a * b;
      case '/': return a / b;
      default: return std::fmod(a, b);
    }
  }

  std::string op_;
  ExpressionPtr left_;
  ExpressionPtr right_;
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
        const Value value = FieldOf(event, field_);
        if (const double* number = std::get_if<double>(&value)) sum += *number;
      }
      return sum;
    }
    if (events.empty()) return {};
    return FieldOf(function_ == "first" ? events.front() : events.back(), field_);
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
    ExpressionPtr expression = Level(0);
    SkipSpace();
    if (error_.empty() && at_ != text_.size()) error_ = "something follows";
    if (!error_.empty()) return InvalidArgument("'{}', position {}: {}", text_, at_, error_);
    return expression;
  }

 private:
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
  ExpressionPtr Fail(std::string error) {
    if (error_.empty()) error_ = std::move(error);
    return std::make_shared<Constant>(Value());
  }

  ExpressionPtr Level(size_t level) {
    if (level == kLevels) return Prefix();
    ExpressionPtr left = Level(level + 1);
    for (;;) {
      std::string_view found;
      for (const std::string_view op : kOperators[level]) {
        if (!op.empty() && Accept(op)) {
          found = op;
          break;
        }
      }
      if (found.empty()) return left;
      left = std::make_shared<Binary>(std::string(found), left, Level(level + 1));
    }
  }

  ExpressionPtr Prefix() {
    if (Accept("!")) return std::make_shared<Unary>('!', Prefix());
    if (Accept("-")) return std::make_shared<Unary>('-', Prefix());
    return Primary();
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
    const size_t start = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
    const std::string word(text_.substr(start, at_ - start));
    if (word == "true" || word == "false") return std::make_shared<Constant>(word == "true");
    if (word == "null") return std::make_shared<Constant>(Value());
    if (Accept("(")) return Function(word);
    if (IsField(word)) return std::make_shared<Field>(word);
    return Fail("unknown word '" + word + "'");
  }

  ExpressionPtr Number() {
    const std::string digits(text_.substr(at_, text_.find_first_not_of("0123456789.", at_) - at_));
    at_ += digits.size();
    return std::make_shared<Constant>(std::strtod(digits.c_str(), nullptr));
  }

  ExpressionPtr Function(const std::string& name) {
    if (name == "count" || name == "sum" || name == "first" || name == "last") {
      if (!Accept("'")) return Fail("expected a stage in quotes");
      const std::string stage = Quoted();
      std::string field;
      if (Accept(",")) {
        SkipSpace();
        const size_t start = at_;
        while (at_ < text_.size() && std::isalpha(static_cast<unsigned char>(text_[at_]))) ++at_;
        field = text_.substr(start, at_ - start);
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
    if (!(of_time && arguments.empty()) && !(of_text && arguments.size() == 2)) return Fail("unknown function " + name);
    return std::make_shared<Call>(name, std::move(arguments));
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string error_;
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
