// Unary and binary operators. Counterpart: hashicorp/hcl hclsyntax/expression_ops.go; zclconf/go-cty cty/value_ops.go.

import type { BinaryOperator } from "../hcl/expressions.ts";
import { BigFloat } from "../values/big-float.ts";
import { BOOL, DYNAMIC, NUMBER } from "../values/types.ts";
import type { Type } from "../values/types.ts";
import { asBool, asNumber, boolValue, equalValues, numberValue, unknownOf } from "../values/value.ts";
import type { Value } from "../values/value.ts";
import { FunctionError } from "./scope.ts";

/** What operands are converted to, and what the result is. */
export function operatorTypes(operator: BinaryOperator): { operand: Type; result: Type } {
  switch (operator) {
    case "||":
    case "&&":
      return { operand: BOOL, result: BOOL };
    case "==":
    case "!=":
      return { operand: DYNAMIC, result: BOOL };
    case "<":
    case "<=":
    case ">":
    case ">=":
      return { operand: NUMBER, result: BOOL };
    default:
      return { operand: NUMBER, result: NUMBER };
  }
}

/** For operands of the right types that are known and, but for `==` and `!=`, not null. @throws FunctionError. */
export function applyOperator(operator: BinaryOperator, left: Value, right: Value): Value {
  switch (operator) {
    case "||":
      return boolValue(asBool(left) || asBool(right));
    case "&&":
      return boolValue(asBool(left) && asBool(right));
    case "==":
    case "!=": {
      const equal = equalValues(left, right);
      return equal === undefined ? unknownOf(BOOL) : boolValue(equal === (operator === "=="));
    }
    case "<":
      return boolValue(asNumber(left).compare(asNumber(right)) < 0);
    case "<=":
      return boolValue(asNumber(left).compare(asNumber(right)) <= 0);
    case ">":
      return boolValue(asNumber(left).compare(asNumber(right)) > 0);
    case ">=":
      return boolValue(asNumber(left).compare(asNumber(right)) >= 0);
    case "+":
      return result(asNumber(left).add(asNumber(right)), "can't compute sum of opposing infinities");
    case "-":
      return result(asNumber(left).subtract(asNumber(right)), "can't subtract infinity from itself");
    case "*":
      return result(asNumber(left).multiply(asNumber(right)), "can't multiply zero by infinity");
    case "/":
      return result(asNumber(left).divide(asNumber(right)), "can't divide zero by zero or infinity by infinity");
    case "%":
      return result(modulo(asNumber(left), asNumber(right)), "can't use modulo with zero and infinity");
  }
}

/** The remainder of a division rounded towards zero; `a` itself where `b` is zero. */
export function modulo(a: BigFloat, b: BigFloat): BigFloat | undefined {
  if (a.kind === "infinite" || b.kind === "infinite") return a.multiply(b);
  if (b.isZero) return a;
  const whole = BigFloat.integer(a.divide(b)!.truncate());
  return a.subtract(b.multiply(whole)!);
}

function result(number: BigFloat | undefined, failure: string): Value {
  if (number === undefined) throw new FunctionError(failure);
  return numberValue(number);
}
