/**
 * A name and a password, for servers that leave no other way: the password grant (RFC 6749 §4.3), and logins of a server's own making.
 *
 * OAuth advises against it (RFC 9700 §2.4), because the program sees the password; prefer `AuthorizationCode` or `DeviceAuthorization` where the server has them. The
 * password is sent once; after that refresh tokens do, where the server issues any. {@link make} speaks OAuth, {@link login} speaks whatever you describe.
 *
 * @example
 * ```ts
 * import * as Password from "effect-credentials/Password"
 * import { Layer, Redacted } from "effect"
 *
 * const CredentialsLive = Password.layer({
 *   tokenEndpoint: "https://id.example.com/oauth/token",
 *   clientId: "legacy-tool",
 *   username: "ada",
 *   password: Redacted.make("s3cret")
 * })
 * console.log(Layer.isLayer(CredentialsLive))
 * // true
 * ```
 *
 * @module
 */
import type { HttpClient } from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { Authorization } from "../Authorization.ts"
import * as ClientAuthentication from "../ClientAuthentication.ts"
import * as Credentials from "../Credentials.ts"
import { InvalidOption, type MissingCredentials, type PartialCredentials, RefreshError } from "../CredentialsError.ts"
import { own } from "../internal/own.ts"
import * as Secret from "../internal/secret.ts"
import * as Text from "../internal/text.ts"
import * as Grant from "../protocol/Grant.ts"
import * as TokenShape from "../protocol/TokenShape.ts"
import * as Provider from "../Provider.ts"
import * as TokenEndpoint from "../TokenEndpoint.ts"

const name = "Password"

/**
 * Who logs in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Person {
  /** The name. */
  readonly username: string
  /** The password, exactly as it is. An `Effect` is run whenever it is sent. */
  readonly password: ClientAuthentication.Secret
}

/**
 * Where the token endpoint is and who logs in. Servers that know no clients need no `clientId`.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = TokenEndpoint.Server &
  TokenEndpoint.Settings &
  ClientAuthentication.OptionalClient &
  Grant.Target &
  Person & {
    /** How tokens go on a request. Default: `Authorization.bearer`. */
    readonly authorization?: Authorization | undefined
  }

const invalid = (option: string, expected: string) => new InvalidOption({ provider: name, option, expected })

/** The password of now, as it is: blanks may be a part of it. */
const passwordOf = ({ password }: Person): Effect.Effect<Redacted.Redacted, RefreshError> =>
  Secret.read(
    password,
    () =>
      new RefreshError({
        provider: name,
        reason: { _tag: "Source", description: "the password is empty: check where it comes from" }
      })
  )

const checkPerson = ({ password, username }: Person): Effect.Effect<void, InvalidOption> =>
  Text.isBlank(username) || !Text.isPlain(username)
    ? Effect.fail(invalid("username", "text that is not blank and has no line breaks or other controls"))
    : !Effect.isEffect(password) && Secret.isBlank(password)
      ? Effect.fail(invalid("password", "a password, not blank"))
      : Effect.void

/**
 * A provider that logs in by the password grant.
 *
 * **Details** – once a refresh token is held, it is spent instead; the password is sent again when the server answers that with `invalid_grant`.
 *
 * @example
 * ```ts
 * import * as Password from "effect-credentials/Password"
 * import { Redacted } from "effect"
 *
 * const provider = Password.make({
 *   issuer: "https://id.example.com",
 *   clientId: "legacy-tool",
 *   username: "ada",
 *   password: Redacted.make("s3cret"),
 *   scope: ["offline_access"]
 * })
 * console.log(provider.name)
 * // Password
 * ```
 *
 * @see <https://www.rfc-editor.org/rfc/rfc6749#section-4.3>
 * @category constructors
 * @since 0.1.0
 */
export const make = (given: Options): Provider.Provider<HttpClient> => {
  const options = own(given)
  const { password: _, username, ...rest } = options
  const provider = Provider.fromGrant(
    name,
    ClientAuthentication.orAnonymous(rest as Provider.GrantOptions),
    () => Effect.map(passwordOf(options), (password) => Grant.password(username, password, rest)),
    { subject: username }
  )
  return Provider.make({ ...provider, check: Effect.zipRight(checkPerson(options), provider.check) })
}

/**
 * Credentials by the password grant. Fails with `InvalidOption` if an option cannot work, before anything is sent.
 *
 * @example
 * ```ts
 * import * as Password from "effect-credentials/Password"
 * import * as Testing from "effect-credentials/Testing"
 * import { Effect, Layer } from "effect"
 *
 * const server = Testing.authorizationServer()
 * const CredentialsLive = Password.layer({ tokenEndpoint: server.tokenEndpoint.url, username: "ada", password: "" })
 * const error = Effect.runSync(Effect.flip(Effect.scoped(Layer.build(Layer.provide(CredentialsLive, server.layer)))))
 * console.log(error.option)
 * // password
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Name extends string = "default">(
  options: Options,
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, InvalidOption, HttpClient> => Credentials.layer(make(options), engine)

/**
 * A login of a server's own making: what is sent where, and how the answer looks.
 *
 * @category models
 * @since 0.1.0
 */
export interface LoginOptions extends Person, Omit<TokenEndpoint.Settings, "reducedScope"> {
  /** Where the login is sent, as a POST: https, or http on this machine. */
  readonly url: string
  /** How members are sent. Default: `"json"`. */
  readonly body?: "form" | "json" | undefined
  /** What the members of the request are called, and which others it has; with others, `Provider.persisted` wants a key. Default: `username` and `password`, no others. */
  readonly request?:
    | {
        readonly username?: string | undefined
        readonly password?: string | undefined
        readonly others?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
      }
    | undefined
  /** Where the answer has the parts of a token, and where a refusal says why. Default: as a token endpoint answers, and nowhere. */
  readonly response?: (TokenShape.TokenShape & { readonly message?: string | undefined }) | undefined
  /** Where a refresh token is sent for the next token, and what its member is called there (default: `refresh_token`). Default: the login is repeated instead. */
  readonly refresh?: { readonly url: string; readonly member?: string | undefined } | undefined
  /** How tokens go on a request. Default: `Authorization.bearer`. */
  readonly authorization?: Authorization | undefined
}

/**
 * A provider that logs in as the server wants it.
 *
 * **Details** – attempts, time limits, redirects and secrets are as for a token endpoint. What the server answers with 4xx is `Rejected` with the code `invalid_grant`, which is
 * what OAuth calls a wrong password; a refresh token that is refused leads back to the login.
 *
 * @example
 * ```ts
 * import * as Password from "effect-credentials/Password"
 * import { Redacted } from "effect"
 *
 * const provider = Password.login({
 *   url: "https://portal.example.com/users/auth",
 *   username: "ada",
 *   password: Redacted.make("s3cret"),
 *   response: { accessToken: "result.access_token", message: "error_msg" },
 *   refresh: { url: "https://portal.example.com/users/refresh", member: "refreshtoken" }
 * })
 * console.log(provider.name)
 * // Password
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const login = (given: LoginOptions): Provider.Provider<HttpClient> => {
  const options = own(given)
  const { refresh, request = {}, response = {}, url, username } = options
  const { message, ...shape } = response
  const endpointAt = (tokenEndpoint: string) =>
    TokenEndpoint.make(name, {
      tokenEndpoint,
      clientId: "anonymous",
      authentication: ClientAuthentication.anonymous,
      body: options.body ?? "json",
      attemptTimeLimit: options.attemptTimeLimit,
      timeLimit: options.timeLimit,
      retry: options.retry
    })
  const endpoint = endpointAt(url)
  const provider = Provider.make<HttpClient>({
    name,
    ...(options.authorization === undefined ? {} : { authorization: options.authorization }),
    // What else is sent may be as secret as the password.
    key:
      Object.keys(request.others ?? {}).length > 0
        ? Option.none()
        : Option.some(JSON.stringify([name, url, username, Object.entries(shape).sort()])),
    ...(options.timeLimit === undefined ? {} : { timeLimit: Duration.decode(options.timeLimit) }),
    check: Effect.gen(function* () {
      yield* checkPerson(options)
      yield* checkEndpoint(endpoint, "url")
      if (refresh !== undefined) yield* checkEndpoint(endpointAt(refresh.url), "refresh.url")
      const names = [request.username, request.password, ...Object.keys(request.others ?? {}), refresh?.member]
      if (names.some((name) => name !== undefined && (Text.isBlank(name) || !Text.isPlain(name)))) {
        return yield* invalid("request", "made of names that are not blank and have no controls")
      }
      const problem = TokenShape.check(response)
      if (Option.isSome(problem)) return yield* invalid("response", problem.value)
    }),
    acquire: () =>
      Effect.flatMap(passwordOf(options), (password) =>
        TokenEndpoint.login(endpoint, {
          params: [
            [request.username ?? "username", username],
            [request.password ?? "password", password],
            ...Object.entries(request.others ?? {})
          ],
          shape,
          message,
          oneTime: false
        })
      )
  })
  return refresh === undefined
    ? provider
    : Provider.refreshable(provider, (refreshToken) =>
        TokenEndpoint.login(endpointAt(refresh.url), {
          params: [[refresh.member ?? "refresh_token", refreshToken]],
          shape,
          message,
          oneTime: true,
          previousRefreshToken: refreshToken
        })
      )
}

const checkEndpoint = (endpoint: TokenEndpoint.TokenEndpoint, option: string): Effect.Effect<void, InvalidOption> =>
  Effect.mapError(TokenEndpoint.check(endpoint), (error) =>
    error.option === "tokenEndpoint" ? invalid(option, error.expected) : error
  )

/**
 * Credentials by a login of the server's own making. Fails with `InvalidOption` if an option cannot work, before anything is sent.
 *
 * @example
 * ```ts
 * import * as Password from "effect-credentials/Password"
 * import * as Testing from "effect-credentials/Testing"
 * import { Effect, Layer } from "effect"
 *
 * const server = Testing.authorizationServer()
 * const CredentialsLive = Password.layerLogin({ url: "http://portal.example.com/auth", username: "ada", password: "s3cret" })
 * const error = Effect.runSync(Effect.flip(Effect.scoped(Layer.build(Layer.provide(CredentialsLive, server.layer)))))
 * console.log(error.option)
 * // url
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerLogin = <Name extends string = "default">(
  options: LoginOptions,
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, InvalidOption, HttpClient> => Credentials.layer(login(options), engine)

/**
 * Where the settings are found.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConfigOptions extends Provider.GrantConfig {
  /** The name. Default: `LOGIN_USERNAME`, as `USERNAME` is taken on many machines. */
  readonly username?: Config.Config<string> | undefined
  /** The password. Default: `LOGIN_PASSWORD`. */
  readonly password?: Config.Config<Redacted.Redacted> | undefined
}

/**
 * A provider for the password grant from configuration: by default the environment variables `LOGIN_USERNAME`, `LOGIN_PASSWORD`, `TOKEN_URL` or `ISSUER`, `CLIENT_ID` and, if
 * set, `CLIENT_SECRET` and `SCOPE`. Everything else is an option.
 *
 * @example
 * ```ts
 * import * as Password from "effect-credentials/Password"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromMap(new Map([
 *   ["CLIENT_ID", "me"], ["TOKEN_URL", "https://id.example.com/token"], ["LOGIN_USERNAME", "ada"]
 * ]))
 * const provider = Effect.withConfigProvider(Password.fromConfig(), environment)
 * console.log(Effect.runSync(Effect.flip(provider)).message)
 * // Password is half configured: TOKEN_URL, CLIENT_ID, LOGIN_USERNAME are set, LOGIN_PASSWORD is missing
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConfig = (
  config?: ConfigOptions,
  options?: Provider.GrantRest
): Effect.Effect<Provider.Provider<HttpClient>, MissingCredentials | PartialCredentials | InvalidOption> =>
  Provider.fromGrantConfig<Person, HttpClient>(name, make, {
    settings: {
      username: config?.username ?? Config.string("LOGIN_USERNAME"),
      password: config?.password ?? Config.redacted("LOGIN_PASSWORD")
    },
    isPublic: true,
    config,
    options
  })

/**
 * Credentials for the password grant from configuration, as {@link fromConfig} says.
 *
 * @example
 * ```ts
 * import * as Password from "effect-credentials/Password"
 * import { Config, Layer } from "effect"
 *
 * const CredentialsLive = Password.layerConfig({
 *   issuer: Config.succeed("https://id.example.com"),
 *   username: Config.string("PORTAL_USER"),
 *   password: Config.redacted("PORTAL_PASSWORD")
 * })
 * console.log(Layer.isLayer(CredentialsLive))
 * // true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = <Name extends string = "default">(
  config?: ConfigOptions,
  options?: Provider.GrantRest & Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, MissingCredentials | PartialCredentials | InvalidOption, HttpClient> =>
  Layer.unwrapEffect(Effect.map(fromConfig(config, options), (provider) => Credentials.layer(provider, options)))
