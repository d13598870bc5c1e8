/**
 * Options as they were given: what somebody changes in them later changes nothing, and what somebody has hung on the prototype of all objects is not
 * among them.
 *
 * @module
 */
import * as Redacted from "effect/Redacted"

const isPlain = (value: unknown): value is object =>
  typeof value === "object" &&
  value !== null &&
  [Object.prototype, null].includes(Object.getPrototypeOf(value)) &&
  Object.values(value).every((member) => typeof member === "string" || Redacted.isRedacted(member))

/** As good as no prototype. An object without any is a dictionary to V8, which takes four times the room. */
const Bare = /* @__PURE__ */ (() =>
  Object.assign(function () {}, { prototype: Object.create(null) }) as unknown as new () => Record<string, unknown>)()

/** A copy, unless it is one already; also of lists and of records of texts. Everything else (servers, keys, effects) is what it is. */
export const own = <A extends object>(options: A): A => {
  if (options instanceof Bare) return options
  const copy = new Bare()
  for (const [name, value] of Object.entries(options)) {
    copy[name] = Array.isArray(value) ? [...value] : isPlain(value) ? own(value) : value
  }
  return copy as A
}
