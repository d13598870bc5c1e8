/**
 * Somebody else's token, traded for one that the API accepts (RFC 8693): workload identity, delegation, a token for the next service.
 *
 * The token to trade is an Effect that runs at every exchange, so that a projected file or a build system's token is never an old one: see `WorkloadIdentity`
 * for such sources. To trade the token of other credentials give `Effect.map(credentials.token, (token) => token.accessToken)`.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as Testing from "effect-credentials/Testing"
 * import * as TokenExchange from "effect-credentials/TokenExchange"
 * import { Effect } from "effect"
 *
 * const grant = "urn:ietf:params:oauth:grant-type:token-exchange"
 * const server = Testing.authorizationServer({ grants: { [grant]: (_, issue) => issue({ scope: ["read"] }) } })
 * const CredentialsLive = TokenExchange.layer({
 *   tokenEndpoint: server.tokenEndpoint.url,
 *   subjectToken: Effect.succeed("read anew every time"),
 *   subjectTokenType: "jwt"
 * })
 * const program = Effect.flatMap(Credentials.Credentials, (credentials) => credentials.token)
 * const { scope } = await Effect.runPromise(program.pipe(Effect.provide(CredentialsLive), Effect.provide(server.layer)))
 * console.log(scope)
 * // [ 'read' ]
 * ```
 *
 * @module
 */
import type { HttpClient } from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Authorization } from "../Authorization.ts"
import * as ClientAuthentication from "../ClientAuthentication.ts"
import * as Credentials from "../Credentials.ts"
import { InvalidOption, type MissingCredentials, type PartialCredentials, RefreshError } from "../CredentialsError.ts"
import { own } from "../internal/own.ts"
import * as Secret from "../internal/secret.ts"
import * as Text from "../internal/text.ts"
import * as Grant from "../protocol/Grant.ts"
import * as Provider from "../Provider.ts"
import type * as TokenEndpoint from "../TokenEndpoint.ts"

const name = "TokenExchange"

/**
 * A token to trade: as it is, or read anew at every exchange.
 *
 * @category models
 * @since 0.1.0
 */
export type Source<R = never> = string | Redacted.Redacted | Effect.Effect<string | Redacted.Redacted, RefreshError, R>

/**
 * What is traded.
 *
 * @category models
 * @since 0.1.0
 */
export interface Traded<out R = never> {
  /** Whom the new token is for: a token of theirs. An `Effect` is run at every exchange. */
  readonly subjectToken: Source<R>
  /** What it is: one of the names of RFC 8693 §3, or a URI. */
  readonly subjectTokenType: Grant.TokenType
  /** Who acts for the subject: a token of that party. An `Effect` is run at every exchange. Default: nobody does. */
  readonly actorToken?: Source<R> | undefined
  /** What it is. Needed where there is an `actorToken`. */
  readonly actorTokenType?: Grant.TokenType | undefined
  /** What the new token should be. An answer of another type is refused. Default: an access token, as the server sees fit. */
  readonly requestedTokenType?: Grant.TokenType | undefined
}

/**
 * Where the token endpoint is, what is traded, and for what. Servers that know no clients need no `clientId`.
 *
 * @category models
 * @since 0.1.0
 */
export type Options<R = never> = TokenEndpoint.Server &
  TokenEndpoint.Settings &
  ClientAuthentication.OptionalClient &
  Grant.Target &
  Traded<R> & {
    /** How tokens go on a request. Default: `Authorization.bearer`. */
    readonly authorization?: Authorization | undefined
  }

const refuse = (description: string) => () =>
  new RefreshError({ provider: name, reason: { _tag: "Source", description } })

/** One of our names or a URI: a scheme, a colon and something. */
const isType = (type: Grant.TokenType): boolean =>
  /^[A-Za-z][A-Za-z0-9+.-]*:./.test(Grant.tokenTypeUri(type)) && Text.isWord(type)

const problemOf = <R>(options: Options<R>): InvalidOption | undefined => {
  const invalid = (option: string, expected: string) => new InvalidOption({ provider: name, option, expected })
  for (const option of ["subjectToken", "actorToken"] as const) {
    const token = options[option]
    const isLeftOut = option === "actorToken" && token === undefined
    if (!isLeftOut && !Effect.isEffect(token) && Secret.isBlank(token!)) {
      return invalid(option, "a token, not blank")
    }
  }
  for (const option of ["subjectTokenType", "actorTokenType", "requestedTokenType"] as const) {
    const type = options[option]
    if ((type !== undefined || option === "subjectTokenType") && !isType(type!)) {
      return invalid(option, "accessToken, refreshToken, idToken, jwt, saml1, saml2 or the URI of another type")
    }
  }
  return (options.actorToken === undefined) === (options.actorTokenType === undefined)
    ? undefined
    : invalid("actorTokenType", "given exactly where there is an actorToken")
}

/**
 * A provider that trades somebody else's token.
 *
 * **Details** – a refresh token, should a server send one, is not spent: what is traded can be traded again. The subject is not known before its token is read, so the
 * provider has no key of its own: `Provider.persisted` wants one.
 *
 * @example
 * ```ts
 * import * as TokenExchange from "effect-credentials/TokenExchange"
 * import { Redacted } from "effect"
 *
 * const provider = TokenExchange.make({
 *   tokenEndpoint: "https://sts.example.com/token",
 *   subjectToken: Redacted.make("s3cret"),
 *   subjectTokenType: "accessToken",
 *   audience: "https://billing.example.com"
 * })
 * console.log(provider.name)
 * // TokenExchange
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc8693#section-2>
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(given: Options<R>): Provider.Provider<R | HttpClient> => {
  const options = own(given)
  const { actorToken, subjectToken } = options
  const provider = Provider.fromGrant<R>(
    name,
    ClientAuthentication.orAnonymous(options),
    () =>
      Effect.gen(function* () {
        const subject = yield* Secret.read(
          subjectToken,
          refuse("the token to trade is empty: check where it comes from")
        )
        const actor =
          actorToken === undefined
            ? undefined
            : yield* Secret.read(actorToken, refuse("the actor's token is empty: check where it comes from"))
        return Grant.tokenExchange({ ...options, subjectToken: subject, actorToken: actor })
      }),
    { refreshes: false }
  )
  const problem = problemOf(options)
  return Provider.make({
    ...provider,
    key: Option.none(),
    check: problem === undefined ? provider.check : Effect.fail(problem)
  })
}

/**
 * Credentials for somebody else's token. Fails with `InvalidOption` if an option cannot work, before anything is sent.
 *
 * @example
 * ```ts
 * import * as TokenExchange from "effect-credentials/TokenExchange"
 * import * as Testing from "effect-credentials/Testing"
 * import { Effect, Layer } from "effect"
 *
 * const server = Testing.authorizationServer()
 * const CredentialsLive = TokenExchange.layer({
 *   tokenEndpoint: server.tokenEndpoint.url,
 *   subjectToken: "s3cret",
 *   subjectTokenType: "access_token"
 * })
 * const error = Effect.runSync(Effect.flip(Effect.scoped(Layer.build(Layer.provide(CredentialsLive, server.layer)))))
 * console.log(error.option)
 * // subjectTokenType
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never, Name extends string = "default">(
  options: Options<R>,
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, InvalidOption, Exclude<R, Scope.Scope> | HttpClient> =>
  Credentials.layer(make(options), engine)

/**
 * A provider whose server and client come from configuration: by default the environment variables `TOKEN_URL` or `ISSUER`, `CLIENT_ID` and, if set,
 * `CLIENT_SECRET` and `SCOPE`. What is traded is an option.
 *
 * @example
 * ```ts
 * import * as TokenExchange from "effect-credentials/TokenExchange"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromMap(new Map([["CLIENT_ID", "me"]]))
 * const provider = TokenExchange.fromConfig({ subjectToken: Effect.succeed("s3cret"), subjectTokenType: "jwt" })
 * console.log(Effect.runSync(Effect.flip(Effect.withConfigProvider(provider, environment))).message)
 * // TokenExchange is half configured: CLIENT_ID is set, TOKEN_URL or ISSUER is missing
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConfig = <R = never>(
  options: Traded<R> & Provider.GrantRest,
  config?: Provider.GrantConfig
): Effect.Effect<Provider.Provider<R | HttpClient>, MissingCredentials | PartialCredentials | InvalidOption> =>
  Provider.fromGrantConfig<object, R | HttpClient>(name, (found) => make({ ...options, ...found } as Options<R>), {
    settings: {},
    isPublic: true,
    config,
    options
  })

/**
 * Credentials whose server and client come from configuration, as {@link fromConfig} says.
 *
 * @example
 * ```ts
 * import * as TokenExchange from "effect-credentials/TokenExchange"
 * import { Config, Effect, Layer } from "effect"
 *
 * const CredentialsLive = TokenExchange.layerConfig(
 *   { subjectToken: Effect.succeed("s3cret"), subjectTokenType: "jwt" },
 *   { tokenEndpoint: Config.string("STS_URL"), audience: Config.string("STS_AUDIENCE") }
 * )
 * console.log(Layer.isLayer(CredentialsLive))
 * // true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = <R = never, Name extends string = "default">(
  options: Traded<R> & Provider.GrantRest & Credentials.LayerOptions<Name>,
  config?: Provider.GrantConfig
): Layer.Layer<
  Credentials.Id<Name>,
  MissingCredentials | PartialCredentials | InvalidOption,
  Exclude<R, Scope.Scope> | HttpClient
> => Layer.unwrapEffect(Effect.map(fromConfig(options, config), (provider) => Credentials.layer(provider, options)))
