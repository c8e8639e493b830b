// Types of HCL values. Primitive and collection types are as the language has them; `dynamic` stands for a type that is not known,
// and a `type` value is a type as data (what `convert(x, list(string))` is given).
// Counterpart: zclconf/go-cty cty/type.go.

export type Type =
  | { readonly kind: "string" | "number" | "bool" | "dynamic" | "type" }
  | { readonly kind: "list" | "set" | "map"; readonly element: Type }
  | { readonly kind: "tuple"; readonly elements: readonly Type[] }
  | {
      readonly kind: "object";
      readonly attributes: ReadonlyMap<string, Type>;
      /** Names that a conversion may fill with null; absent in types of values. */
      readonly optional?: ReadonlySet<string>;
    };

export const STRING: Type = { kind: "string" };
export const NUMBER: Type = { kind: "number" };
export const BOOL: Type = { kind: "bool" };
export const DYNAMIC: Type = { kind: "dynamic" };
export const TYPE: Type = { kind: "type" };

export function listOf(element: Type): Type {
  return { kind: "list", element };
}

export function setOf(element: Type): Type {
  return { kind: "set", element };
}

export function mapOf(element: Type): Type {
  return { kind: "map", element };
}

export function tupleOf(elements: readonly Type[]): Type {
  return { kind: "tuple", elements };
}

export function objectOf(attributes: ReadonlyMap<string, Type>, optional?: ReadonlySet<string>): Type {
  return optional === undefined || optional.size === 0
    ? { kind: "object", attributes }
    : { kind: "object", attributes, optional };
}

export function isPrimitive(type: Type): boolean {
  return type.kind === "string" || type.kind === "number" || type.kind === "bool";
}

export function isCollection(type: Type): type is Extract<Type, { element: Type }> {
  return type.kind === "list" || type.kind === "set" || type.kind === "map";
}

/** A list, set or tuple. */
export function isSequence(type: Type): boolean {
  return type.kind === "list" || type.kind === "set" || type.kind === "tuple";
}

export function equalTypes(a: Type, b: Type): boolean {
  if (a === b) return true;
  if (a.kind !== b.kind) return false;
  if (isCollection(a)) return equalTypes(a.element, (b as typeof a).element);
  if (a.kind === "tuple") {
    const { elements } = b as typeof a;
    return a.elements.length === elements.length && a.elements.every((each, at) => equalTypes(each, elements[at]!));
  }
  if (a.kind === "object") {
    const other = b as typeof a;
    if (a.attributes.size !== other.attributes.size || (a.optional?.size ?? 0) !== (other.optional?.size ?? 0)) {
      return false;
    }
    for (const [name, type] of a.attributes) {
      const theirs = other.attributes.get(name);
      if (theirs === undefined || !equalTypes(type, theirs)) return false;
      if ((a.optional?.has(name) ?? false) !== (other.optional?.has(name) ?? false)) return false;
    }
  }
  return true;
}

/** The type without marks of optional attributes, at any depth: what a value has. */
export function withoutOptional(type: Type): Type {
  if (isCollection(type)) return { kind: type.kind, element: withoutOptional(type.element) };
  if (type.kind === "tuple") return tupleOf(type.elements.map(withoutOptional));
  if (type.kind !== "object") return type;
  return objectOf(new Map([...type.attributes].map(([name, each]) => [name, withoutOptional(each)])));
}

export function hasDynamic(type: Type): boolean {
  if (type.kind === "dynamic") return true;
  if (isCollection(type)) return hasDynamic(type.element);
  if (type.kind === "tuple") return type.elements.some(hasDynamic);
  return type.kind === "object" && [...type.attributes.values()].some(hasDynamic);
}

/** How messages call a type; as a constraint, an unknown type is "any type". */
export function typeName(type: Type, asConstraint = false): string {
  if (isCollection(type)) {
    const any = asConstraint && type.element.kind === "dynamic";
    return `${type.kind} of ${any ? "any single type" : typeName(type.element, asConstraint)}`;
  }
  return type.kind === "dynamic" && asConstraint ? "any type" : type.kind;
}
