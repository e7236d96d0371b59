/** Checks of values that came from elsewhere, put together from the checks of their parts. */

export type Check = (value: unknown) => boolean;
/** A check for each field but those that the union is told apart by. */
export type Shape<M, Known extends PropertyKey> = {
  readonly [F in keyof Omit<M, Known>]-?: Check;
};
/** The member of a union that a tag stands for, also when it shares it with other tags. */
type Case<M, Tag extends keyof M, T> = M extends unknown ? (T extends M[Tag] ? M : never) : never;
export type Shapes<M, Tag extends keyof M, Known extends PropertyKey> = {
  readonly [T in M[Tag] & string]: Shape<Case<M, Tag, T>, Known>;
};

export function isObject(value: unknown): value is { readonly [field: string]: unknown } {
  return typeof value === "object" && value !== null;
}

/** An integer from 0 on. */
export function below(limit: number): Check {
  return (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) < limit;
}

export const boolean: Check = (value) => typeof value === "boolean";
export const string: Check = (value) => typeof value === "string";
export const integer: Check = Number.isSafeInteger;

export function oneOf(...values: readonly string[]): Check {
  return (value) => values.includes(value as string);
}

export function list(each: Check): Check {
  return (value) => Array.isArray(value) && value.every(each);
}

export function optional(check: Check): Check {
  return (value) => value === undefined || check(value);
}

export function shaped(shape: { readonly [field: string]: Check }): Check {
  const fields = Object.entries(shape);
  return (value) => isObject(value) && fields.every(([field, check]) => check(value[field]));
}

/** One of a union, told apart by `tag`. */
export function union<M, Tag extends keyof M & string, Known extends PropertyKey>(
  tag: Tag,
  common: { readonly [field: string]: Check },
  shapes: Shapes<M, Tag, Known>,
): Check {
  const byTag = new Map(
    Object.entries<{ readonly [field: string]: Check }>(shapes).map(([name, shape]) => [
      name,
      shaped({ ...common, ...shape }),
    ]),
  );
  return (value) => isObject(value) && byTag.get(value[tag] as string)?.(value) === true;
}
