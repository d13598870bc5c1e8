/**
 * JSON from somebody else, read without surprises: an object or nothing, and never nested so deeply that writing it down again fails.
 *
 * @module
 */

/** The members of a JSON object that is nested at most `deepest` levels; undefined for anything else. The parser's own error quotes its input, so it is dropped. */
export const parseObject = (text: string, deepest = 64): Readonly<Record<string, unknown>> | undefined => {
  const json = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
  if (isDeep(json, deepest)) return undefined
  try {
    const value: unknown = JSON.parse(json)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Whether a value is an object with members, not an array. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** A member of the object itself, never of its prototype; null counts as absent. */
export const member = (members: Readonly<Record<string, unknown>>, name: string): unknown =>
  Object.hasOwn(members, name) ? (members[name] ?? undefined) : undefined

// Looked at before parsing: what the parser would build could not be written down again.
const isDeep = (json: string, deepest: number): boolean =>
  // Most often there are too few brackets, wherever they are.
  opensMore(json, deepest) && nestsDeeper(json, deepest)

const opensMore = (json: string, most: number): boolean => {
  let opened = 0
  for (const bracket of ["[", "{"]) {
    for (let at = json.indexOf(bracket); at >= 0; at = json.indexOf(bracket, at + 1)) {
      if (++opened > most) return true
    }
  }
  return false
}

/** One character at a time. */
const nestsDeeper = (json: string, deepest: number): boolean => {
  let depth = 0
  let inString = false
  for (let at = 0; at < json.length; at++) {
    const char = json[at]
    if (inString) {
      if (char === "\\") at++
      else if (char === '"') inString = false
    } else if (char === '"') inString = true
    else if (char === "[" || char === "{") {
      if (++depth > deepest) return true
    } else if (char === "]" || char === "}") depth--
  }
  return false
}
