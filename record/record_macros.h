// The preprocessor part of EAGRE_RECORD and EAGRE_ENUM; include "record/record.h" instead of this file.
#pragma once

// EAGRE_FOR_EACH(macro, a, b, ...) expands to macro(a) macro(b) ...; each level of EXPAND multiplies the rescans by
// four.
#define EAGRE_PARENTHESES ()
#define EAGRE_EXPAND(...) EAGRE_EXPAND4(EAGRE_EXPAND4(EAGRE_EXPAND4(EAGRE_EXPAND4(__VA_ARGS__))))
#define EAGRE_EXPAND4(...) EAGRE_EXPAND3(EAGRE_EXPAND3(EAGRE_EXPAND3(EAGRE_EXPAND3(__VA_ARGS__))))
#define EAGRE_EXPAND3(...) EAGRE_EXPAND2(EAGRE_EXPAND2(EAGRE_EXPAND2(EAGRE_EXPAND2(__VA_ARGS__))))
#define EAGRE_EXPAND2(...) EAGRE_EXPAND1(EAGRE_EXPAND1(EAGRE_EXPAND1(EAGRE_EXPAND1(__VA_ARGS__))))
#define EAGRE_EXPAND1(...) __VA_ARGS__

#define EAGRE_FOR_EACH(macro, ...) __VA_OPT__(EAGRE_EXPAND(EAGRE_FOR_EACH_STEP(macro, __VA_ARGS__)))
#define EAGRE_FOR_EACH_STEP(macro, first, ...) \
  macro(first) __VA_OPT__(EAGRE_FOR_EACH_AGAIN EAGRE_PARENTHESES(macro, __VA_ARGS__))
#define EAGRE_FOR_EACH_AGAIN() EAGRE_FOR_EACH_STEP

#define EAGRE_VISIT_FIELD(field) eagre_visit(&EagreRecordType::field, #field)&&
#define EAGRE_ENUM_ENTRY(enumerator) ::eagre::EnumEntry{#enumerator, static_cast<long long>(EagreEnumType::enumerator)},
