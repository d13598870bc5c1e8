/**
 * The text in which profiles are kept: what is read of it, and how one profile is changed and all that is not understood stays as it was.
 *
 * @module
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Json from "./json.ts"
import * as Text from "./text.ts"

/** Why a text cannot be used. Never what is in it. */
export interface Problem {
  readonly reason: "Corrupt" | "NewerVersion"
  readonly description: string
}

/** A text that was understood: an object with profiles, and whatever else it has. */
export type Document = Readonly<Record<string, unknown>>

/** What a profile holds. Both are written by their names; secrets come back redacted. */
export type Settings = Readonly<Record<string, string | Redacted.Redacted>>

const version = 1

const problem = (reason: Problem["reason"], description: string) => Either.left({ reason, description })

/** What may be a name, of a profile or of a setting: it can be shown as it is, and no two look the same to a terminal. */
export const isName = (name: unknown): name is string =>
  typeof name === "string" && name !== "" && Text.printable(name, 128) === name

/** No text: no profiles. A text without a version was written by hand. */
export const parse = (text: Option.Option<string>): Either.Either<Document, Problem> => {
  if (Option.isNone(text)) return Either.right({})
  const document = Json.parseObject(text.value)
  if (document === undefined) return problem("Corrupt", "it is no JSON object")
  const written = Json.member(document, "version") ?? version
  if (typeof written !== "number" || !Number.isInteger(written) || written < 1) {
    return problem("Corrupt", "its version is no number")
  }
  if (written > version) {
    return problem("NewerVersion", `it has version ${written}, written by a newer program: update this one`)
  }
  const profiles = Json.member(document, "profiles")
  return profiles === undefined || Json.isObject(profiles)
    ? Either.right(document)
    : problem("Corrupt", "its member profiles is no object")
}

const objectIn = (members: Document, name: string): Document => {
  const value = Json.member(members, name)
  return Json.isObject(value) ? value : {}
}

/** The names of all profiles. */
export const names = (document: Document): ReadonlyArray<string> => Object.keys(objectIn(document, "profiles"))

/** The settings of a profile, none if there is no such profile. */
export const settingsOf = (document: Document, name: string): Either.Either<Option.Option<Settings>, Problem> => {
  const profile = Json.member(objectIn(document, "profiles"), name)
  if (profile === undefined) return Either.right(Option.none())
  if (!Json.isObject(profile)) return problem("Corrupt", "the profile is no object")
  const found = new Map<string, string | Redacted.Redacted>()
  for (const kind of ["settings", "secrets"]) {
    const members = Json.member(profile, kind) ?? {}
    if (!Json.isObject(members)) return problem("Corrupt", `its ${kind} are no object`)
    for (const [setting, value] of Object.entries(members)) {
      if (typeof value !== "string") {
        return problem("Corrupt", `its ${kind} hold something that is no text (under ${Text.printable(setting, 64)})`)
      }
      found.set(setting, kind === "secrets" ? Redacted.make(value) : value)
    }
  }
  return Either.right(Option.some(Object.fromEntries(found)))
}

/** The document with a member put in its place; in the place of nothing it comes last. No name is special, not even `__proto__`. */
const withMember = (members: Document, name: string, value: unknown): Document =>
  Object.fromEntries(new Map(Object.entries(members)).set(name, value))

const withProfiles = (document: Document, profiles: Document): Document =>
  withMember(withMember(document, "version", version), "profiles", profiles)

/** The document with these settings under a name, and no others of that name. */
export const written = (document: Document, name: string, settings: Settings): Document => {
  const profiles = objectIn(document, "profiles")
  const plain: Array<readonly [string, string]> = []
  const secret: Array<readonly [string, string]> = []
  for (const [setting, value] of Object.entries(settings)) {
    if (Redacted.isRedacted(value)) secret.push([setting, Redacted.value(value)])
    else plain.push([setting, value])
  }
  const profile = withMember(
    withMember(objectIn(profiles, name), "settings", Object.fromEntries(plain)),
    "secrets",
    Object.fromEntries(secret)
  )
  return withProfiles(document, withMember(profiles, name, profile))
}

/** The document without a profile. */
export const removed = (document: Document, name: string): Document =>
  withProfiles(
    document,
    Object.fromEntries(Object.entries(objectIn(document, "profiles")).filter(([other]) => other !== name))
  )

/** The document as text, for people too. */
export const print = (document: Document): string => `${JSON.stringify(document, undefined, 2)}\n`
