/**
 * Bitfount, the federated analytics platform: what its Python SDK does with credentials, with one layer.
 *
 * A person logs in with a browser or a second device, and the tokens are kept in the original's own file, `~/.bitfount/<username>/.token`, which it goes on reading. API keys in
 * the environment (`BITFOUNT_API_KEY_ID`, `BITFOUNT_API_KEY`) come before that; a hook may bring tokens that somebody else looks after. {@link layerSession} is the session: it sends credentials to
 * the hub and the access manager of its environment, and nowhere else.
 *
 * **Details** – what is done otherwise than in the original, and why:
 *
 * | original | here |
 * | --- | --- |
 * | `slow_down` makes the interval one second longer (B13) | five, as RFC 8628 §3.5 wants |
 * | a login that was denied, has expired or was answered with nonsense fails as a connection error about a device code (B13, B32) | `RefreshError` with the reason |
 * | a device answer without `verification_uri_complete` ends in a `KeyError` (B11) | the address and the code are shown |
 * | a token answer without a refresh token or an ID token ends in a `KeyError` (B14, B15) | what is missing is kept from before |
 * | any refresh that does not succeed leads to a login (B15) | one that is refused (`invalid_grant`) does; an outage is told, and the refresh token kept |
 * | who logged in is read from an ID token that nobody verified (B16) | its signature, issuer, client and time are verified first |
 * | tokens of somebody else stay in memory (B17) | they are neither used nor stored, wherever they come from |
 * | a storage path only has to end with the user's name (B18) | it is made of that name |
 * | one of the two variables of an API key alone counts for nothing (B19) | `PartialCredentials` names the other |
 * | the file is world-readable, not replaced as a whole, and written without need (B5, B7) | mode 0600, which an older file is brought to, replaced as a whole when there is another token, under a lock among processes |
 * | a file that cannot be read is overwritten (B6) | it is set aside before |
 * | addresses are compared as prefixes: `https://hub.bitfount.com.evil.test` gets the token (B21) | origins are compared |
 * | every address gets the token, in older versions (B22) | only the two of the environment |
 * | a hub that is not known counts as production's (B28) | `InvalidOption` |
 * | every request is tried four times, for a 404 and where it changes something too (B24) | token requests are, as `TokenEndpoint` says; for your own there is `HttpClient.retryTransient` |
 * | a hook's token under a minute is refused (B27) | it is asked for three times, and used while it lives |
 * | the environment is read once in the life of the process (B2, B19) | whenever a layer is built |
 * | building a session logs in (B33) | the first request does, or `credentials.token` |
 * | IPv4 is forced, keys of a pod's configuration are exported to the environment (B33) | that is the application's: give the keys as options |
 * | a variable makes the log say that credentials were added (B31) | spans and events of `Credentials` say what happens, never with a value |
 * | `AuthEnvironmentError`, `AuthenticatedUserError`, `AuthenticationError`, `ConnectionError` (B32) | `InvalidOption`, the reason `WrongUser`, `RefreshError` |
 *
 * **Gotchas** – a user's directory that others may *write* to, as a umask of 002 makes it, is not believed: the log says so, and tokens stay in memory until `chmod 700` mends it.
 *
 * @example
 * ```ts
 * import * as Bitfount from "effect-credentials/Bitfount"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer } from "effect"
 *
 * const BitfountLive = Bitfount.layerSession({ username: "ada" }).pipe(Layer.provide(FetchHttpClient.layer))
 * console.log(Layer.isLayer(BitfountLive))
 * // true
 * ```
 *
 * @module
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as Arr from "effect/Array"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as AuthenticatedHttpClient from "../AuthenticatedHttpClient.ts"
import * as Authorization from "../Authorization.ts"
import * as AuthorizationServer from "../AuthorizationServer.ts"
import * as Credentials from "../Credentials.ts"
import {
  InvalidOption,
  type MissingCredentials,
  type PartialCredentials,
  RefreshError,
  TokenStoreError
} from "../CredentialsError.ts"
import * as Browser from "../internal/browser.ts"
import * as ForeignStore from "../internal/foreignStore.ts"
import * as Json from "../internal/json.ts"
import * as SharedFile from "../internal/sharedFile.ts"
import * as Secret from "../internal/secret.ts"
import * as Text from "../internal/text.ts"
import * as Jwt from "../Jwt.ts"
import * as Provider from "../Provider.ts"
import * as ApiKey from "../providers/ApiKey.ts"
import * as DeviceAuthorization from "../providers/DeviceAuthorization.ts"
import * as TokenFactory from "../providers/TokenFactory.ts"
import * as Sources from "../Sources.ts"
import * as Token from "../Token.ts"
import { TokenStore } from "../TokenStore.ts"

const name = "Bitfount"

/** Anybody may log in. */
const anybody = "_default"

/** The claim that says who somebody is. */
const usernameClaim = "https://www.bitfount.com/username"

/**
 * Which of the platform's installations.
 *
 * @category models
 * @since 0.1.0
 */
export type Environment = "production" | "staging" | "dev" | "sandbox"

/**
 * Where an installation is.
 *
 * @category models
 * @since 0.1.0
 */
export interface Servers {
  /** The host that logs people in. */
  readonly authDomain: string
  /** The client that people log in with. It has no secret. */
  readonly clientId: string
  /** The hub's origin. */
  readonly hub: string
  /** The access manager's origin. */
  readonly accessManager: string
}

const sandboxLogin = { authDomain: "auth.sandbox.bitfount.com", clientId: "nPU5aIZIOYqqYhUNX84j9OjKpUOnqfRB" }

/**
 * The installations. The one for development is on this machine and logs in at the sandbox.
 *
 * @category presets
 * @since 0.1.0
 */
export const environments: Readonly<Record<Environment, Servers>> = {
  production: {
    authDomain: "auth.bitfount.com",
    clientId: "8iCJ33Kp6hc9ofrXTzr5GLxMRHWrlzZO",
    hub: "https://hub.bitfount.com",
    accessManager: "https://am.hub.bitfount.com"
  },
  staging: {
    authDomain: "auth.staging.bitfount.com",
    clientId: "Wk4XZHDKfY8F3OYcKdagIHETt6JYwX08",
    hub: "https://hub.staging.bitfount.com",
    accessManager: "https://am.hub.staging.bitfount.com"
  },
  dev: { ...sandboxLogin, hub: "http://localhost:3000", accessManager: "http://localhost:3001" },
  sandbox: {
    ...sandboxLogin,
    hub: "https://hub.sandbox.bitfount.com",
    accessManager: "https://am.hub.sandbox.bitfount.com"
  }
}

const candidates = Object.keys(environments) as ReadonlyArray<Environment>

const isEnvironment = (text: string): text is Environment => Object.hasOwn(environments, text)

const invalid = (option: string, expected: string): InvalidOption =>
  new InvalidOption({ provider: name, option, expected })

/**
 * The environment of a hub's address, compared by origin.
 *
 * @example
 * ```ts
 * import * as Bitfount from "effect-credentials/Bitfount"
 * import { Either } from "effect"
 *
 * console.log(Either.getOrThrow(Bitfount.environmentOf("https://hub.staging.bitfount.com/api")))
 * // staging
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const environmentOf = (hubUrl: string): Either.Either<Environment, InvalidOption> => {
  const origin = URL.canParse(hubUrl) ? new URL(hubUrl).origin : undefined
  const found = candidates.find((environment) => environments[environment].hub === origin)
  return found === undefined
    ? Either.left(
        invalid("hubUrl", `an address at ${candidates.map((environment) => environments[environment].hub).join(", ")}`)
      )
    : Either.right(found)
}

/** What is given, what the environment variable says, or production. */
const chosen = (given: Environment | undefined): Effect.Effect<Environment, InvalidOption> =>
  Effect.gen(function* () {
    const text = given ?? (yield* variable("BITFOUNT_ENVIRONMENT")) ?? "production"
    if (!isEnvironment(text)) {
      return yield* invalid(
        given === undefined ? "BITFOUNT_ENVIRONMENT" : "environment",
        `one of ${candidates.join(", ")}`
      )
    }
    if (text !== "production") yield* Effect.logWarning(`${name}: using the environment ${text}`)
    return text
  })

const variable = (variable: string): Effect.Effect<string | undefined> =>
  Effect.map(
    Effect.orElseSucceed(Config.string(variable), () => ""),
    (value) => (Text.isBlank(value) ? undefined : value)
  )

/**
 * The origins that credentials go to: the hub and the access manager.
 *
 * @example
 * ```ts
 * import * as Bitfount from "effect-credentials/Bitfount"
 *
 * console.log(Bitfount.origins())
 * // [ 'https://hub.bitfount.com', 'https://am.hub.bitfount.com' ]
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const origins = (environment: Environment = "production"): Arr.NonEmptyReadonlyArray<string> => [
  environments[environment].hub,
  environments[environment].accessManager
]

/** Where API keys go as {@link messageMetadata}: it is none of {@link origins}, so no HTTP request of a session carries them there. */
const messages = "https://messaging.bitfount.com"

/**
 * How tokens go on a request: as bearer tokens, to the hub and the access manager. For a token of your own, in `StaticToken`.
 *
 * @example
 * ```ts
 * import * as Bitfount from "effect-credentials/Bitfount"
 * import * as StaticToken from "effect-credentials/StaticToken"
 *
 * const provider = StaticToken.make({ token: "s3cret", authorization: Bitfount.authorization() })
 * console.log(provider.name)
 * // StaticToken
 * ```
 *
 * @category authorization
 * @since 0.1.0
 */
export const authorization = (environment: Environment = "production"): Authorization.Authorization =>
  Authorization.byOrigin({
    [environments[environment].hub]: Authorization.bearer,
    [environments[environment].accessManager]: Authorization.bearer
  })

/**
 * Which environment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Place {
  /** The environment. Default: production; where settings are looked for, `$BITFOUNT_ENVIRONMENT` before it. */
  readonly environment?: Environment | undefined
}

/**
 * What a login is for. Tokens that were obtained with other settings are never used.
 *
 * @category models
 * @since 0.1.0
 */
export interface LoginSettings extends Place {
  /** Who logs in: anybody else is refused. Default: `_default`, which is anybody. */
  readonly username?: string | undefined
  /** The host that logs people in. Default: the environment's. */
  readonly authDomain?: string | undefined
  /** The client. Default: the environment's. */
  readonly clientId?: string | undefined
  /** What the tokens should allow, separated by spaces; without `openid` nobody knows who logs in. Default: `profile openid offline_access`. */
  readonly scopes?: string | undefined
  /** Whom the tokens are for. Default: `https://hub.bitfount.com/api`. */
  readonly audience?: string | undefined
}

/**
 * How a person logs in.
 *
 * @category models
 * @since 0.1.0
 */
export interface LoginOptions<R = never> extends LoginSettings {
  /** Shows the code to the person. Default: `DeviceAuthorization.terminalPrompt`. */
  readonly prompt?: DeviceAuthorization.Options<R>["prompt"]
  /** Opens the address with the code in it; `false`: nothing does. Default: this machine's browser, if it has one. */
  readonly open?: DeviceAuthorization.Options<R>["open"] | false
}

const settled = (settings: LoginSettings) => {
  const servers = environments[settings.environment ?? "production"]
  return {
    username: settings.username ?? anybody,
    authDomain: settings.authDomain ?? servers.authDomain,
    clientId: settings.clientId ?? servers.clientId,
    scopes: settings.scopes ?? "profile openid offline_access",
    audience: settings.audience ?? "https://hub.bitfount.com/api"
  }
}

type Settled = ReturnType<typeof settled>

const wordsOf = (scopes: string): ReadonlyArray<string> => scopes.split(" ").filter((scope) => scope !== "")

/**
 * A provider of tokens for a person, who logs in with a browser here or on another device. It keeps nothing: {@link fromConfig} and the layers do.
 *
 * **Details** – the ID token is verified and has to be of the `username`, before anybody sees the tokens: otherwise `WrongUser`.
 *
 * @example
 * ```ts
 * import * as Bitfount from "effect-credentials/Bitfount"
 *
 * console.log(Bitfount.login({ username: "ada", environment: "staging" }).name)
 * // Bitfount
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const login = <R = never>(options: LoginOptions<R> = {}): Provider.Provider<R | HttpClient.HttpClient> => {
  const { audience, authDomain, clientId, scopes, username } = settled(options)
  const { open = Browser.open, prompt } = options
  const base = `https://${authDomain}`
  const provider = DeviceAuthorization.make<R>({
    server: AuthorizationServer.make({
      issuer: `${base}/`,
      token_endpoint: `${base}/oauth/token`,
      device_authorization_endpoint: `${base}/oauth/device/code`,
      jwks_uri: `${base}/.well-known/jwks.json`
    }),
    clientId,
    scope: wordsOf(scopes),
    audience,
    authorization: authorization(options.environment),
    expected: username === anybody ? undefined : { [usernameClaim]: username },
    pollAtOnce: true,
    prompt,
    open: open === false ? undefined : open
  })
  return Provider.make({
    ...provider,
    name,
    check: /^[a-z0-9.-]+(:\d+)?$/i.test(authDomain)
      ? Effect.mapError(provider.check, (error) =>
          error.option === "expected"
            ? invalid("scopes", "made with openid where a username is given: nobody would know who logs in")
            : error
        )
      : Effect.fail(invalid("authDomain", "the name of a host"))
  })
}

/** Whose credentials these are, where the tokens do not say. */
const named = <R>(provider: Provider.Provider<R>, username: string | undefined): Provider.Provider<R> =>
  Provider.make({
    ...provider,
    name,
    acquire: (need) =>
      Effect.map(provider.acquire(need), (token) => ({
        ...token,
        extra: Redacted.make({ ...Redacted.value(token.extra), [usernameClaim]: username })
      })),
    check:
      username === undefined || Text.isBlank(username) || username === anybody
        ? Effect.fail(invalid("username", "given: neither keys nor tokens from elsewhere say whose they are"))
        : provider.check
  })

/**
 * A pair of API keys.
 *
 * @category models
 * @since 0.1.0
 */
export interface ApiKeys {
  /** The key's identifier. */
  readonly accessKeyId: string | Redacted.Redacted
  /** The key. */
  readonly accessKey: string | Redacted.Redacted
}

/**
 * A provider of API keys: the access manager gets them whole, the hub only what is before the first colon.
 *
 * @example
 * ```ts
 * import * as Bitfount from "effect-credentials/Bitfount"
 * import { Redacted } from "effect"
 *
 * const keys = { accessKeyId: "id:rest", accessKey: Redacted.make("s3cret:rest") }
 * console.log(Bitfount.apiKeys({ ...keys, username: "ada" }).authorization.names)
 * // [ 'x-api-key-id', 'x-api-key' ]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const apiKeys = (
  options: ApiKeys &
    Place & {
      /** Whose keys they are. */
      readonly username: string
    }
): Provider.Provider => {
  const id = secret(options.accessKeyId)
  const key = secret(options.accessKey)
  const { accessManager, hub } = environments[options.environment ?? "production"]
  const whole = { "x-api-key-id": id, "x-api-key": key }
  const short = { "x-api-key-id": beforeColon(id), "x-api-key": beforeColon(key) }
  const provider = ApiKey.make({ byOrigin: { [hub]: short, [accessManager]: whole, [messages]: short } })
  return named(
    Provider.make({
      ...provider,
      check: Effect.mapError(provider.check, () =>
        invalid("accessKey", "given, and accessKeyId too: visible ASCII characters, with one at least before the colon")
      )
    }),
    options.username
  )
}

const secret = (value: string | Redacted.Redacted): Redacted.Redacted =>
  Secret.isBlank(value) ? Redacted.make("") : Secret.redacted(value)

const beforeColon = (value: Redacted.Redacted): Redacted.Redacted => Redacted.make(Redacted.value(value).split(":")[0]!)

/**
 * A JSON Web Token, and when it expires.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExternalJwt {
  /** The token. */
  readonly jwt: string | Redacted.Redacted
  /** When it expires: a `DateTime`, a `Date`, or milliseconds since 1970. */
  readonly expires: DateTime.DateTime.Input
}

/**
 * Tokens that somebody else looks after.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExternalJwtOptions<R = never> extends Place, Partial<ExternalJwt> {
  /** Brings the next token: an Effect, or a function that returns one token or a promise of one. Never called twice at a time. */
  readonly getToken: Effect.Effect<ExternalJwt, unknown, R> | (() => ExternalJwt | Promise<ExternalJwt>)
  /** Whose tokens they are. */
  readonly username: string
}

/**
 * A provider of tokens that somebody else looks after: the one given, for as long as it has a minute left, and then what the hook brings.
 *
 * **Details** – a hook whose token has under a minute left is asked again after one second, and after two. Of `jwt` and `expires` one alone is a warning in the log, and not used.
 *
 * @example
 * ```ts
 * import * as Bitfount from "effect-credentials/Bitfount"
 * import { Effect, Redacted } from "effect"
 *
 * const getToken = Effect.succeed({ jwt: Redacted.make("s3cret"), expires: new Date("2100-01-01") })
 * console.log(Bitfount.externalJwt({ getToken, username: "ada" }).name)
 * // Bitfount
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const externalJwt = <R = never>(options: ExternalJwtOptions<R>): Provider.Provider<R> => {
  const { environment, expires, getToken, jwt, username } = options
  const hook: Effect.Effect<ExternalJwt, unknown, R> = Effect.isEffect(getToken)
    ? getToken
    : Effect.tryPromise({ try: async () => getToken(), catch: (error) => error })
  const provider = TokenFactory.make<R>({
    token: Effect.flatMap(hook, tokenOf),
    authorization: authorization(environment)
  })
  const given =
    jwt !== undefined && expires !== undefined
      ? Effect.zipWith(tokenOf({ jwt, expires }), DateTime.now, (token, now) =>
          Option.some(token).pipe(
            Option.filter(({ expiresAt }) =>
              Option.exists(expiresAt, (expiresAt) => DateTime.distance(now, expiresAt) >= 60_000)
            )
          )
        )
      : Effect.as(
          jwt === undefined && expires === undefined
            ? Effect.void
            : Effect.logWarning(`${name}: of jwt and expires only one is given, which is not used`),
          Option.none()
        )
  return named(Provider.startingWith(provider, given), username)
}

const tokenOf = (given: ExternalJwt): Effect.Effect<Token.Token, RefreshError> =>
  Effect.flatMap(DateTime.now, (issuedAt) => {
    const { expires, jwt } = (given ?? {}) as Partial<ExternalJwt>
    const expiresAt = expires === undefined ? Option.none() : Option.map(DateTime.make(expires), DateTime.toUtc)
    return (typeof jwt === "string" || Redacted.isRedacted(jwt)) && Option.isSome(expiresAt)
      ? Effect.succeed(
          Token.make({
            accessToken: secret(jwt),
            // Nobody says how long it has been around: with a life of five minutes its last one is the one to renew it in.
            issuedAt: DateTime.min(issuedAt, DateTime.subtract(expiresAt.value, { minutes: 5 })),
            expiresAt
          })
        )
      : new RefreshError({
          provider: name,
          reason: { _tag: "Source", description: "a token and when it expires have to be given: { jwt, expires }" }
        })
  })

/**
 * Where tokens are kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface StorageOptions {
  /**
   * The directory in which every user has one, an absolute path; a leading `~` is the home directory. Default: `$BITFOUNT_STORAGE_PATH`, else `.bitfount` in `$BITFOUNT_HOME`, else in the
   * home directory.
   */
  readonly storagePath?: string | undefined
}

const fileOf = (
  username: string,
  { storagePath }: StorageOptions
): Effect.Effect<SharedFile.SharedFile, InvalidOption> =>
  Effect.gen(function* () {
    // One name of a directory, and nothing that leads elsewhere.
    if (!/^[^\\/:]{1,128}$/.test(username) || /^[.\s]*$/.test(username) || !Text.isPlain(username)) {
      return yield* invalid("username", "a name that a directory can have")
    }
    const home = (yield* variable("HOME")) ?? (yield* variable("USERPROFILE")) ?? "~"
    const expanded = (path: string) => path.replace(/^~(?=$|[\\/])/, () => home).replace(/(?<=[^\\/])[\\/]+$/, "")
    const root = expanded((yield* variable("BITFOUNT_HOME")) ?? home)
    const storage = expanded(storagePath ?? (yield* variable("BITFOUNT_STORAGE_PATH")) ?? `${root}/.bitfount`)
    if (!/^(?:\/|[A-Za-z]:[\\/])/.test(storage) || !Text.isPlain(storage)) {
      return yield* invalid("storagePath", "an absolute path, or $BITFOUNT_STORAGE_PATH or $HOME set to one")
    }
    return yield* Effect.mapError(
      SharedFile.make(`${storage}/${username}`, ".token", { lockTimeout: "35 seconds" }),
      (what) => invalid("storagePath", `used where there are files (${what})`)
    )
  })

const textMember = (members: Readonly<Record<string, unknown>>, member: string): Option.Option<string> =>
  Option.filter(
    Option.fromNullable(Json.member(members, member)),
    (value): value is string => typeof value === "string" && !Text.isBlank(value)
  )

/** A claim of a token that somebody has verified before it came here. */
const claimIn = (token: string | Redacted.Redacted, claim: string): unknown =>
  Option.getOrUndefined(
    Option.map(Either.getRight(Jwt.decode(token)), ({ claims }) => Json.member(claims, claim) ?? undefined)
  )

const secondsFrom = (value: unknown): Option.Option<DateTime.Utc> =>
  typeof value === "number" && value >= 0 && value < 1e11 ? DateTime.make(Math.round(value * 1000)) : Option.none()

/** By the names of the original's file: tokens of other settings are not for this session. */
const metadataOf = ({ audience, authDomain, clientId, scopes }: Settled) => ({
  auth_domain: authDomain,
  client_id: clientId,
  scopes,
  audience
})

const tokenIn = (
  members: Readonly<Record<string, unknown>>,
  settings: Settled,
  now: DateTime.Utc
): Option.Option<Token.Token> => {
  const { username } = settings
  const isOurs = Object.entries(metadataOf(settings)).every(([member, value]) => Json.member(members, member) === value)
  const idToken = textMember(members, "id_token")
  const isTheirs = username === anybody || Option.exists(idToken, (token) => claimIn(token, usernameClaim) === username)
  const accessToken = textMember(members, "access_token")
  const refreshToken = Option.map(textMember(members, "refresh_token"), Redacted.make)
  if (!isOurs || !isTheirs || (Option.isNone(accessToken) && Option.isNone(refreshToken))) return Option.none()
  const issuedAt = Option.flatMap(accessToken, (token) => secondsFrom(claimIn(token, "iat")))
  return Option.some(
    Token.make({
      accessToken: Redacted.make(Option.getOrElse(accessToken, () => "")),
      refreshToken,
      idToken: Option.map(idToken, Redacted.make),
      issuedAt: DateTime.min(
        Option.getOrElse(issuedAt, () => now),
        now
      ),
      // Without a time that can be read it is not trusted.
      expiresAt: Option.orElseSome(secondsFrom(Json.member(members, "access_token_expires_at")), () => now),
      scope: wordsOf(settings.scopes)
    })
  )
}

const revealed = (secret: Option.Option<Redacted.Redacted>): string | null =>
  Option.getOrNull(Option.map(secret, Redacted.value))

const format = (settings: Settled): ForeignStore.Format<Token.Token> => {
  const members = (text: string) =>
    Either.fromNullable(Json.parseObject(text), () => "it is no token file, a new login is needed")
  return {
    read: (text, key, now) =>
      key === settings.username
        ? Either.map(members(text), (members) => tokenIn(members, settings, now))
        : Either.right(Option.none()),
    write: (text, key, token) =>
      key !== settings.username
        ? Either.left(`it is for ${Text.printable(settings.username, 64)} alone`)
        : Either.right(
            Option.map(token, ({ accessToken, expiresAt, idToken, refreshToken }) =>
              // All of these, always: the original asks for each of them.
              JSON.stringify({
                ...Option.getOrUndefined(Option.map(text, Json.parseObject)),
                access_token: Redacted.value(accessToken),
                refresh_token: revealed(refreshToken),
                id_token: revealed(idToken),
                access_token_expires_at: Option.match(expiresAt, {
                  onNone: () => 0,
                  onSome: (expiresAt) => DateTime.toEpochMillis(expiresAt) / 1000
                }),
                ...metadataOf(settings)
              })
            )
          ),
    keys: (text) =>
      Either.map(members(text), (members) =>
        Option.isSome(tokenIn(members, settings, DateTime.unsafeMake(0))) ? [settings.username] : []
      ),
    isSame: (one, other) =>
      Token.isSame(one, other) &&
      revealed(one.refreshToken) === revealed(other.refreshToken) &&
      revealed(one.idToken) === revealed(other.idToken),
    setsAside: true
  }
}

const storeOf = (settings: LoginSettings, options: StorageOptions): Effect.Effect<TokenStore, InvalidOption> => {
  const all = settled(settings)
  return Effect.map(fileOf(all.username, options), (file) =>
    ForeignStore.make(
      file,
      format(all),
      (operation, key, failure) => new TokenStoreError({ operation, key, ...failure })
    )
  )
}

/**
 * The original's file as a token store, whose only key is the username. Tokens of other settings, or of somebody else, count as none.
 *
 * @example
 * ```ts
 * import * as Bitfount from "effect-credentials/Bitfount"
 * import * as TokenStore from "effect-credentials/TokenStore"
 * import { Effect } from "effect"
 *
 * const users = Effect.flatMap(TokenStore.TokenStore, (store) => store.list)
 * const StoreLive = Bitfount.layerStore({ username: "ada", storagePath: "/nonexistent" })
 * console.log(await Effect.runPromise(users.pipe(Effect.provide(StoreLive))))
 * // []
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerStore = (options: LoginSettings & StorageOptions = {}): Layer.Layer<TokenStore, InvalidOption> =>
  Layer.effect(
    TokenStore,
    Effect.flatMap(chosen(options.environment), (environment) => storeOf({ ...options, environment }, options))
  )

/**
 * Everything that can be given. A hook decides for tokens from elsewhere, keys decide for keys.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<R = never>
  extends LoginOptions<R>, StorageOptions, Partial<ApiKeys>, Partial<Omit<ExternalJwtOptions<R>, "username">> {}

/** A provider, and how long before their expiry its tokens are renewed. */
const resolve = <R>(options: Options<R>) =>
  Effect.gen(function* () {
    const environment = yield* chosen(options.environment)
    const { getToken, username = "" } = options
    if (getToken !== undefined) {
      const provider = externalJwt<R>({ ...options, getToken, username, environment })
      return { environment, provider, renewAhead: "1 minute" as const }
    }
    const keys = Provider.fromConfig(
      name,
      { accessKeyId: Config.redacted("BITFOUNT_API_KEY_ID"), accessKey: Config.redacted("BITFOUNT_API_KEY") },
      (keys) => apiKeys({ ...keys, username, environment })
    ).pipe(
      Effect.provide(
        Sources.layer([
          Sources.explicit({ BITFOUNT_API_KEY_ID: options.accessKeyId, BITFOUNT_API_KEY: options.accessKey }),
          Sources.environment
        ])
      )
    )
    const persisted = Effect.map(storeOf({ ...options, environment }, options), (store) =>
      login<R>({ ...options, environment }).pipe(
        Provider.persisted(settled(options).username),
        Provider.provide(Context.make(TokenStore, store))
      )
    )
    const provider = yield* Effect.catchTag(
      keys as Effect.Effect<
        Provider.Provider<R | HttpClient.HttpClient>,
        MissingCredentials | PartialCredentials | InvalidOption
      >,
      "MissingCredentials",
      () => persisted
    )
    return { environment, provider, renewAhead: "10 minutes" as const }
  })

/**
 * The provider that the options and the environment decide for: a hook, else API keys, given or in `BITFOUNT_API_KEY_ID` and `BITFOUNT_API_KEY`, else a login whose
 * tokens are kept in the original's file, in the way of `Provider.persisted`.
 *
 * @example
 * ```ts
 * import * as Bitfount from "effect-credentials/Bitfount"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromMap(new Map([["BITFOUNT_API_KEY_ID", "id"]]))
 * const error = await Effect.runPromise(Effect.flip(Effect.withConfigProvider(Bitfount.fromConfig(), environment)))
 * console.log(error.message)
 * // Bitfount is half configured in the environment: BITFOUNT_API_KEY_ID is set, BITFOUNT_API_KEY is missing
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConfig = <R = never>(
  options: Options<R> = {}
): Effect.Effect<Provider.Provider<R | HttpClient.HttpClient>, PartialCredentials | InvalidOption> =>
  Effect.map(resolve(options), ({ provider }) => provider)

/**
 * Credentials of what {@link fromConfig} finds. Those of a login are renewed ten minutes before they expire, those of a hook one minute, unless `renewAhead` says otherwise.
 *
 * @example
 * ```ts
 * import * as Bitfount from "effect-credentials/Bitfount"
 * import { Layer } from "effect"
 *
 * console.log(Layer.isLayer(Bitfount.layer({ username: "ada" })))
 * // true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never, Name extends string = "default">(
  options: Options<R> = {},
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<
  Credentials.Id<Name>,
  PartialCredentials | InvalidOption,
  HttpClient.HttpClient | Exclude<R, Scope.Scope>
> =>
  Layer.unwrapEffect(
    Effect.map(resolve(options), ({ provider, renewAhead }) => Credentials.layer(provider, { renewAhead, ...engine }))
  )

/**
 * What a session says of itself beside its credentials.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionOptions<R = never> extends Options<R> {
  /** The header `user-agent` of its requests, where they have none of their own: such as `Bitfount SDK 7.0.0`. Default: `Bitfount SDK (effect-credentials)`. */
  readonly userAgent?: string | undefined
}

/**
 * The original's session: an authenticated client for the hub and the access manager, and its credentials.
 *
 * **Details** – requests to other origins go out without credentials, and nobody logs in for them. A 401 renews the token and sends the request once more.
 *
 * @example
 * ```ts
 * import * as AuthenticatedHttpClient from "effect-credentials/AuthenticatedHttpClient"
 * import * as Bitfount from "effect-credentials/Bitfount"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const me = Effect.flatMap(AuthenticatedHttpClient.AuthenticatedHttpClient, (client) => client.get("https://hub.bitfount.com/api/me"))
 * const program = me.pipe(
 *   Effect.provide(Bitfount.layerSession({ username: "ada" }).pipe(Layer.provide(FetchHttpClient.layer))))
 * console.log(Effect.isEffect(program))
 * // true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSession = <R = never>(
  options: SessionOptions<R> = {},
  engine?: Credentials.Options
): Layer.Layer<
  AuthenticatedHttpClient.Id<"default"> | Credentials.Id<"default">,
  PartialCredentials | InvalidOption,
  HttpClient.HttpClient | Exclude<R, Scope.Scope>
> =>
  Layer.unwrapEffect(
    Effect.map(resolve(options), ({ environment, provider, renewAhead }) =>
      AuthenticatedHttpClient.layer({ origins: origins(environment) }).pipe(
        Layer.map((context) =>
          Context.make(
            AuthenticatedHttpClient.AuthenticatedHttpClient,
            HttpClient.mapRequest(
              Context.get(context, AuthenticatedHttpClient.AuthenticatedHttpClient),
              (request): HttpClientRequest.HttpClientRequest =>
                request.headers["user-agent"] === undefined
                  ? HttpClientRequest.setHeader(
                      request,
                      "user-agent",
                      options.userAgent ?? "Bitfount SDK (effect-credentials)"
                    )
                  : request
            )
          )
        ),
        Layer.provideMerge(Credentials.layer(provider, { renewAhead, ...engine }))
      )
    )
  )

/**
 * What the message service wants with every call of gRPC: a pair with the token, or those of the API keys.
 *
 * @example
 * ```ts
 * import * as Bitfount from "effect-credentials/Bitfount"
 * import * as Credentials from "effect-credentials/Credentials"
 * import { Effect } from "effect"
 *
 * const keys = Bitfount.apiKeys({ accessKeyId: "id:rest", accessKey: "s3cret:rest", username: "ada" })
 * const metadata = Bitfount.messageMetadata.pipe(Effect.provide(Credentials.layer(keys)))
 * console.log((await Effect.runPromise(metadata)).map(([name]) => name))
 * // [ 'x-api-key-id', 'x-api-key' ]
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const messageMetadata: Effect.Effect<
  ReadonlyArray<readonly [name: string, value: Redacted.Redacted]>,
  RefreshError,
  Credentials.Id<"default">
> = Effect.flatMap(Credentials.Credentials, (credentials) =>
  Effect.map(credentials.token, (token) => {
    const keys = Object.entries(credentials.authorization.headers(token, messages))
    return keys.length === 0
      ? [["token", token.accessToken]]
      : keys.map(([name, value]) => [name, Redacted.make(value)] as const)
  })
)

/**
 * Whose token it is: of a login as the verified ID token says, otherwise as the options said.
 *
 * @example
 * ```ts
 * import * as Bitfount from "effect-credentials/Bitfount"
 * import * as Credentials from "effect-credentials/Credentials"
 * import { Effect, Option } from "effect"
 *
 * const keys = Bitfount.apiKeys({ accessKeyId: "id", accessKey: "s3cret", username: "ada" })
 * const token = Effect.flatMap(Credentials.Credentials, (credentials) => credentials.token)
 * const username = Effect.map(token, Bitfount.usernameIn).pipe(Effect.provide(Credentials.layer(keys)))
 * console.log(Option.getOrNull(await Effect.runPromise(username)))
 * // ada
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const usernameIn = (token: Token.Token): Option.Option<string> =>
  Option.filter(
    Option.fromNullable(
      Json.member(Redacted.value(token.extra), usernameClaim) ??
        Option.getOrUndefined(Option.map(token.idToken, (idToken) => claimIn(idToken, usernameClaim)))
    ),
    (username): username is string => typeof username === "string"
  )
