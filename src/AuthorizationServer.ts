/**
 * Where an authorization server's endpoints are: told by you, or by the server itself.
 *
 * Use {@link discover} if the server publishes its metadata (most do), {@link make} for one that does not. Either is a value that
 * can be shared by any number of providers.
 *
 * @example
 * ```ts
 * import * as AuthorizationServer from "effect-credentials/AuthorizationServer"
 *
 * const known = AuthorizationServer.make({ token_endpoint: "https://id.example.com/token" })
 * const discovered = AuthorizationServer.discover("https://id.example.com")
 * console.log(known.issuer._tag, discovered.issuer._tag)
 * // None Some
 * ```
 *
 * @module
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { InvalidOption, RefreshError } from "./CredentialsError.ts"
import * as Http from "./internal/http.ts"
import * as Published from "./internal/published.ts"
import * as Text from "./internal/text.ts"
import * as Url from "./internal/url.ts"
import * as ServerMetadata from "./protocol/ServerMetadata.ts"
import * as TokenResponse from "./protocol/TokenResponse.ts"

/**
 * Where an authorization server's endpoints are.
 *
 * @category models
 * @since 0.1.0
 */
export interface AuthorizationServer {
  /** What tells it from others, for keys of stores: its issuer, or else its token endpoint. */
  readonly id: string
  /** Who the server is. None: not known, only where it is. */
  readonly issuer: Option.Option<string>
  /** Where its endpoints are. */
  readonly metadata: Effect.Effect<ServerMetadata.ServerMetadata, RefreshError, HttpClient.HttpClient>
  /** Fails if an address cannot work, before anything is sent; providers run it while their layer is built. */
  readonly check: (provider: string) => Effect.Effect<void, InvalidOption>
}

/**
 * A server whose endpoints you know.
 *
 * **Details** – each must be https, or http on this machine (`localhost`, `127.0.0.0/8`, `::1`); otherwise layers that use it fail with `InvalidOption`, and nothing is
 * sent.
 *
 * @example
 * ```ts
 * import * as AuthorizationServer from "effect-credentials/AuthorizationServer"
 * import { Effect } from "effect"
 *
 * const server = AuthorizationServer.make({ token_endpoint: "http://id.example.com/token" })
 * console.log(Effect.runSync(Effect.flip(server.check("ClientCredentials"))).option)
 * // token_endpoint
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: ServerMetadata.ServerMetadata & {
    /** Accept plain http, so that anybody on the way can read secrets and tokens. Default: false. */
    readonly dangerouslyAllowHttp?: boolean | undefined
  }
): AuthorizationServer => {
  const { dangerouslyAllowHttp = false, ...metadata } = options
  const unsafe = ServerMetadata.unsafeEndpoint(metadata, { dangerouslyAllowHttp })
  const expected = dangerouslyAllowHttp ? Url.expectedWithHttp : Url.expected
  const issuer = Option.filter(Option.fromNullable(metadata.issuer), (issuer) => !Text.isBlank(issuer))
  return {
    id: Option.getOrElse(issuer, () => metadata.token_endpoint),
    issuer,
    metadata: unsafe === undefined ? Effect.succeed(metadata) : Effect.fail(invalid(`${unsafe} is not ${expected}`)),
    check: (provider) =>
      unsafe === undefined ? Effect.void : Effect.fail(new InvalidOption({ provider, option: unsafe, expected }))
  }
}

const refuse = (reason: RefreshError["reason"]): RefreshError =>
  new RefreshError({ provider: "AuthorizationServer", reason })

const invalid = (description: string): RefreshError => refuse({ _tag: "InvalidResponse", description })

/** Metadata is read again after this long, in milliseconds: a day. */
const freshFor = 86_400_000

/**
 * A server that publishes its metadata (OpenID Connect Discovery, RFC 8414).
 *
 * **Details** – nothing is fetched before the first token is needed, so that a server that is down does not keep a program from starting. The first
 * success is kept for 24 hours and shared by all who use this value; a failure is not kept. While the server does not answer, metadata that has become old serves for another
 * day, and is asked for at most once in 30 seconds. `/.well-known/openid-configuration`
 * is asked first, then, if that is not found, `/.well-known/oauth-authorization-server`. The document must name exactly this issuer, redirects are not followed,
 * and endpoints must be https, or http on this machine.
 *
 * @example
 * ```ts
 * import * as AuthorizationServer from "effect-credentials/AuthorizationServer"
 * import { Option } from "effect"
 *
 * const server = AuthorizationServer.discover("https://id.example.com/tenant")
 * console.log(Option.getOrThrow(server.issuer))
 * // https://id.example.com/tenant
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc8414#section-3>
 * @category constructors
 * @since 0.1.0
 */
export const discover = (
  issuer: string,
  options?: {
    /** Accept plain http, so that anybody on the way can read secrets and tokens. Default: false. */
    readonly dangerouslyAllowHttp?: boolean | undefined
    /** How long the server may take to answer. Default: 10 seconds. */
    readonly timeLimit?: Duration.DurationInput | undefined
  }
): AuthorizationServer => {
  const { dangerouslyAllowHttp = false, timeLimit = "10 seconds" } = options ?? {}
  const address = Url.endpoint(issuer, dangerouslyAllowHttp)
  const url = address === undefined || issuer.includes("?") ? undefined : address
  const expected = `${dangerouslyAllowHttp ? Url.expectedWithHttp : Url.expected}, nor a query`
  const get = (location: string) =>
    Http.send({ method: "GET", url: location, headers: { accept: "application/json" } }).pipe(
      Effect.mapError((failure) =>
        failure._tag === "Refused"
          ? refuse({ _tag: "InvalidResponse", description: `metadata: ${failure.description}`, status: failure.status })
          : refuse({ _tag: "Transport", description: failure.description })
      )
    )

  const fetched = Effect.gen(function* () {
    const [openid, oauth] = ServerMetadata.locations(issuer) as [string, string]
    const first = yield* get(openid)
    const answer = first.status === 404 ? yield* get(oauth) : first
    if (answer.status !== 200) {
      const reason = TokenResponse.failureOf({ ...answer, body: "" })
      return yield* refuse(
        reason._tag === "Unavailable"
          ? reason
          : {
              _tag: "InvalidResponse",
              description: `no metadata for this issuer (status ${answer.status})`,
              status: answer.status
            }
      )
    }
    const value = yield* Either.mapLeft(ServerMetadata.decode(issuer, answer.body, { dangerouslyAllowHttp }), invalid)
    return { value, freshFor }
  }).pipe(
    Effect.timeoutFail({
      duration: timeLimit,
      onTimeout: () => refuse({ _tag: "Timeout", after: Duration.decode(timeLimit) })
    })
  )

  const known = Published.make(fetched, { isRationed: false })

  return {
    id: issuer,
    issuer: Option.some(issuer),
    metadata: url === undefined ? Effect.fail(invalid(`the issuer is not ${expected}`)) : known(),
    check: (provider) =>
      url === undefined ? Effect.fail(new InvalidOption({ provider, option: "issuer", expected })) : Effect.void
  }
}
