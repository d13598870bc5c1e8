/**
 * What may be shown, and what may be sent: every rule about characters stands here once. What is no text at all, as a setting that is missing in an environment is in spite of
 * its type, keeps none of them.
 *
 * @module
 */
import * as Predicate from "effect/Predicate"

/** Somebody else's text, fit for a terminal and a log: no controls, no invisible or direction-changing characters, at most `max` long. */
export const printable = (text: string, max: number): string =>
  text
    .slice(0, max * 8)
    .replace(/[\s\u2028\u2029]+/gu, " ")
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}]+/gu, "")
    .trim()
    .slice(0, max)
    .replace(/\p{Cs}$/u, "")

/** Compares secrets: the time that it takes does not tell how much of a guess is right. */
export const isSame = (given: string, expected: string): boolean => {
  let difference = given.length ^ expected.length
  for (let at = 0; at < expected.length; at++) difference |= (given.charCodeAt(at) || 0) ^ expected.charCodeAt(at)
  return difference === 0
}

/** Nothing to see: counts as absent. */
export const isBlank = (text: string): boolean => typeof text !== "string" || text.trim() === ""

/** A text that can become UTF-8 and back (no lone surrogates) and has no control characters. */
export const isPlain = (text: string): boolean => typeof text === "string" && !/[\p{Cs}\p{Cc}]/u.test(text)

/** RFC 6749 appendix A, NQCHAR without space: what a scope or an error code is made of. */
export const isWord = (text: string): boolean => typeof text === "string" && /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(text)

/** RFC 6749 appendix A, VSCHAR: what tokens and codes are made of. */
export const isVisible = (text: string): boolean => typeof text === "string" && /^[\x20-\x7e]+$/.test(text)

/** One token and nothing else: no blanks, and not the beginning of JSON or HTML, which may have none either. */
export const isToken = (text: string): boolean =>
  typeof text === "string" && text.length <= 65_536 && /^[\x21-\x7e]+$/.test(text) && !/^["<[{]/.test(text)

/**
 * Somebody's complaint, with everything blotted out that may be a secret: long runs of letters and digits as tokens have them, and what
 * stands after `token=` and its like. Paths stay legible.
 */
export const withoutSecrets = (text: string, max: number): string =>
  printable(
    text
      .replace(/\s+/g, " ")
      // Colours whole, or their letters would stay.
      .replace(/\p{Cc}(\[[0-?]*[ -/]*[@-~])?/gu, "")
      .replace(/((?:token|secret|password|passwd|key)\w*["']?\s*[=:]\s*)\S+/gi, "$1…")
      .replace(/\b(bearer|basic)\s+\S+/gi, "$1 …")
      .replace(/[\w+=.~%-]{16,}/g, (run) => (/\d/.test(run) || (/[a-z]/.test(run) && /[A-Z]/.test(run)) ? "…" : run)),
    max
  )

/** What kind of error it is: what it says may quote a secret. */
export const kindOf = (error: unknown): string =>
  Predicate.hasProperty(error, "_tag") && Predicate.isString(error._tag)
    ? error._tag
    : error instanceof Error
      ? error.name
      : typeof error
