/**
 * A login at a server that does not speak OAuth: which members go there, and how its answer is read. Pure data.
 *
 * The `Password` provider makes these and `TokenEndpoint.login` sends them. Reach for it to write a provider for a login of your own.
 *
 * @example
 * ```ts
 * import * as Login from "effect-credentials/Login"
 * import { Redacted } from "effect"
 *
 * const login: Login.Login = {
 *   params: [["user", "ada"], ["pass", Redacted.make("s3cret")]],
 *   shape: { accessToken: "result.access_token" },
 *   message: "error_msg",
 *   oneTime: false
 * }
 * console.log(login.params.map(([name]) => name))
 * // [ 'user', 'pass' ]
 * ```
 *
 * @module
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import { RefreshError, type RefreshErrorReason } from "../CredentialsError.ts"
import * as Json from "../internal/json.ts"
import * as Text from "../internal/text.ts"
import type * as Token from "../Token.ts"
import type { Param } from "./Grant.ts"
import * as TokenResponse from "./TokenResponse.ts"
import * as TokenShape from "./TokenShape.ts"

/**
 * A login, before anyone sends it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Login {
  /** What goes in the body, in order. */
  readonly params: ReadonlyArray<Param>
  /** Which of them are arrays in JSON, also with a single value. Default: those that are repeated. */
  readonly lists?: ReadonlyArray<string> | undefined
  /** Where the answer has the parts of a token. */
  readonly shape: TokenShape.TokenShape
  /** Where a refusal says why: a member's name or a path. Default: not looked for. */
  readonly message?: string | undefined
  /** Whether sending it spends something: a refresh token that may rotate. */
  readonly oneTime: boolean
  /** The refresh token that is sent: it stays in use unless the answer brings another. Default: none. */
  readonly previousRefreshToken?: Redacted.Redacted | undefined
}

/** Refusals, in a language that has no codes for them. */
const refusals: ReadonlySet<number> = new Set([400, 401, 403, 404, 409, 410, 422])

/**
 * The token in the answer to a login, or why there is none.
 *
 * **Details** – 400, 401, 403, 404, 409, 410 and 422 are `Rejected` with the code `invalid_grant`, which is what OAuth calls a wrong password; everything else is read as
 * `TokenResponse.decode` reads it.
 *
 * @example
 * ```ts
 * import * as Login from "effect-credentials/Login"
 * import { DateTime, Either } from "effect"
 *
 * const login = { params: [], shape: {}, message: "error_msg", oneTime: false }
 * const answer = { provider: "Mine", status: 401, headers: {}, body: `{"error_msg":"wrong password"}`, requestedAt: DateTime.unsafeMake(0) }
 * console.log(Either.flip(Login.decode(login, answer)).pipe(Either.getOrThrow).message)
 * // Mine: the authorization server refused: invalid_grant (wrong password); what was offered is expired, revoked or already used: log in again
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (
  login: Login,
  response: TokenResponse.TokenResponse
): Either.Either<Token.Token, RefreshError> =>
  refusals.has(response.status)
    ? Either.left(new RefreshError({ provider: response.provider, reason: refusal(login, response) }))
    : TokenResponse.decode({
        ...response,
        shape: login.shape,
        previousRefreshToken: Option.fromNullable(login.previousRefreshToken)
      })

const refusal = ({ message }: Login, { body, isEchoed, status }: TokenResponse.TokenResponse): RefreshErrorReason => {
  const said = message === undefined ? undefined : TokenShape.at(Json.parseObject(body) ?? {}, message)
  const text = typeof said === "string" ? Text.printable(said, 2_048) : ""
  const description =
    text === ""
      ? `status ${status}`
      : isEchoed?.(text) === true
        ? "withheld, because it quotes a secret"
        : Text.printable(text, 256)
  return { _tag: "Rejected", code: "invalid_grant", description, status }
}
