/**
 * Where somebody's JSON has what a token is made of, for logins and programs that do not answer as RFC 6749 says.
 *
 * @example
 * ```ts
 * import * as TokenShape from "effect-credentials/TokenShape"
 *
 * const answer = { code: 200, result: { access_token: "t0ken", expires_in: 60 } }
 * console.log(TokenShape.read({ accessToken: "result.access_token" }, answer))
 * // { access_token: 't0ken', expires_in: 60 }
 * ```
 *
 * @module
 */
import * as Option from "effect/Option"
import * as Json from "../internal/json.ts"

/**
 * Where each part of a token is: the name of a member, or a path such as `result.token`. What has no path is looked for under its standard name
 * (RFC 6749 §5.1), in the object that holds the access token.
 *
 * @category models
 * @since 0.1.0
 */
export interface TokenShape {
  /** The access token. Default: `access_token`. */
  readonly accessToken?: string | undefined
  /** For how many seconds it lives. Default: `expires_in` beside the access token. */
  readonly expiresIn?: string | undefined
  /** When it expires: seconds or milliseconds since 1970, or an ISO time with its zone. Default: `expires_at` beside the access token. */
  readonly expiresAt?: string | undefined
  /** What obtains the next one. Default: `refresh_token` beside the access token. */
  readonly refreshToken?: string | undefined
  /** Who logged in. Default: `id_token` beside the access token. */
  readonly idToken?: string | undefined
  /** What it allows. Default: `scope` beside the access token. */
  readonly scope?: string | undefined
}

const standard = {
  accessToken: "access_token",
  expiresIn: "expires_in",
  expiresAt: "expires_at",
  refreshToken: "refresh_token",
  idToken: "id_token",
  scope: "scope"
} as const

/**
 * What is at a path; undefined if there is nothing.
 *
 * @example
 * ```ts
 * import * as TokenShape from "effect-credentials/TokenShape"
 *
 * console.log(TokenShape.at({ a: { b: [1] } }, "a.b"), TokenShape.at({ a: 1 }, "a.b"))
 * // [ 1 ] undefined
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const at = (members: Readonly<Record<string, unknown>>, path: string): unknown =>
  path
    .split(".")
    .reduce<unknown>((value, name) => (Json.isObject(value) ? Json.member(value, name) : undefined), members)

/**
 * The parts that are there, under their standard names.
 *
 * @example
 * ```ts
 * import * as TokenShape from "effect-credentials/TokenShape"
 *
 * console.log(TokenShape.read({ accessToken: "jwt", expiresAt: "until" }, { jwt: "t0ken", until: 1893456000 }))
 * // { access_token: 't0ken', expires_at: 1893456000 }
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const read = (
  shape: TokenShape,
  members: Readonly<Record<string, unknown>>
): Readonly<Record<string, unknown>> => {
  const accessToken = shape.accessToken ?? standard.accessToken
  const beside = accessToken.slice(0, accessToken.lastIndexOf(".") + 1)
  const parts: Record<string, unknown> = {}
  for (const part of Object.keys(standard) as ReadonlyArray<keyof typeof standard>) {
    const value = at(members, shape[part] ?? beside + standard[part])
    if (value !== undefined) parts[standard[part]] = value
  }
  return parts
}

/**
 * Whether a text is a path: member names, joined by dots where there is more than one.
 *
 * @example
 * ```ts
 * import * as TokenShape from "effect-credentials/TokenShape"
 *
 * console.log(TokenShape.isPath("result.token"), TokenShape.isPath("result."))
 * // true false
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isPath = (text: string): boolean => text.split(".").every((name) => name !== "")

/**
 * What a shape should have been, if it cannot work, for `InvalidOption`.
 *
 * @example
 * ```ts
 * import * as TokenShape from "effect-credentials/TokenShape"
 * import { Option } from "effect"
 *
 * console.log(Option.isSome(TokenShape.check({ accessToken: "result." })))
 * // true
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const check = (shape: TokenShape): Option.Option<string> =>
  Object.values(shape).every((path) => path === undefined || isPath(path))
    ? Option.none()
    : Option.some("made of member names, joined by dots where there is more than one")
