/**
 * Palo Alto Networks' Cortex Data Lake: what its Python SDK does with credentials, with one layer.
 *
 * Settings are what is given explicitly, else the environment (`PAN_ACCESS_TOKEN`, `PAN_CLIENT_ID`, `PAN_CLIENT_SECRET`, `PAN_REFRESH_TOKEN`), else a profile in the original's own
 * file, which it goes on reading: the first of them that has any decides alone. With the settings of a profile, renewed tokens are kept there.
 *
 * **Details** – what is done otherwise than in the original, and why:
 *
 * | original | here |
 * | --- | --- |
 * | constructor arguments for its own HTTP client, a hidden session (P2), a count of transactions (P30), headers and `force_trace` (P26) | the `HttpClient` given to the layer |
 * | storage adapters are loaded by a dotted name (P9, P10) | a `TokenStore` is a layer: {@link layerStore} is the original's, any other can take its place |
 * | setters change what the source decision depends on (P8, P3) | settings are fixed when the layer is built |
 * | `cache_token` false leaves an older access token in the file (P5) | it is removed at the next write |
 * | the file is world-readable, and not replaced as a whole (P11, P13) | mode 0600, replaced as a whole, under a lock among processes |
 * | a file name without a directory fails (P11) | an absolute path is asked for, by name |
 * | values that came from the environment are written to the file (P13) | only {@link writeCredentials} writes settings; renewed tokens go to the profile that they came from |
 * | after `remove_profile` the store is closed (P14) | it goes on |
 * | `fetch_tokens` overwrites a refresh token with nothing (P17) | what is missing in an answer is kept |
 * | a refresh that runs already returns nothing (P18) | everybody waits for it |
 * | the query of the developer token provider is dropped (P19) | its URL is used as it is given |
 * | a refresh that is refused returns nothing, and `Bearer None` is sent (P22, P27) | `RefreshError` |
 * | an access token that is no JWT, or without `exp`, fails after the old one is gone (P22, P27) | it is used until the API refuses it |
 * | `expires_in` is never looked at (P22) | it is, before `exp` |
 * | revoking sends `null` where there is no token, and clears nothing (P23) | only what there is is revoked, and forgotten |
 * | base64url is not understood (P24), `exp` is remembered for another token (P25) | `Jwt.decode`, `Jwt.isExpired` with `leeway` |
 * | no reaction to a 401 (P27) | one renewal, one replay |
 *
 * @example
 * ```ts
 * import * as AuthenticatedHttpClient from "effect-credentials/AuthenticatedHttpClient"
 * import * as Cortex from "effect-credentials/Cortex"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer } from "effect"
 *
 * const CortexLive = AuthenticatedHttpClient.layer({ origins: [Cortex.dataApi] }).pipe(
 *   Layer.provide(Cortex.layer({ profile: "production" })),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 * console.log(Layer.isLayer(CortexLive))
 * // true
 * ```
 *
 * @module
 */
import type { HttpClient } from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as AuthorizationServer from "../AuthorizationServer.ts"
import * as ClientAuthentication from "../ClientAuthentication.ts"
import * as Credentials from "../Credentials.ts"
import {
  InvalidOption,
  type MissingCredentials,
  type PartialCredentials,
  type RefreshError,
  TokenStoreError
} from "../CredentialsError.ts"
import * as ForeignStore from "../internal/foreignStore.ts"
import * as Json from "../internal/json.ts"
import * as SharedFile from "../internal/sharedFile.ts"
import * as Text from "../internal/text.ts"
import * as Grant from "../protocol/Grant.ts"
import * as Provider from "../Provider.ts"
import * as RefreshToken from "../providers/RefreshToken.ts"
import * as StaticToken from "../providers/StaticToken.ts"
import * as Sources from "../Sources.ts"
import * as Token from "../Token.ts"
import * as TokenEndpoint from "../TokenEndpoint.ts"
import { TokenStore } from "../TokenStore.ts"

const name = "Cortex"

/**
 * Where data is asked for, in the United States.
 *
 * @category presets
 * @since 0.1.0
 */
export const dataApi: string = "https://api.us.cdl.paloaltonetworks.com"

/**
 * The settings, by which everything here is found.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settings {
  /** The access token. */
  readonly accessToken?: string | Redacted.Redacted | undefined
  /** The client's identifier. */
  readonly clientId?: string | undefined
  /** The client's secret. */
  readonly clientSecret?: string | Redacted.Redacted | undefined
  /** The refresh token. */
  readonly refreshToken?: string | Redacted.Redacted | undefined
}

/**
 * Settings that are enough for a provider.
 *
 * @category models
 * @since 0.1.0
 */
export type Enough =
  | {
      /** The client's identifier. */
      readonly clientId: string
      /** The client's secret. */
      readonly clientSecret: string | Redacted.Redacted
      /** The refresh token. */
      readonly refreshToken: string | Redacted.Redacted
      /** The access token to begin with. Default: none. */
      readonly accessToken?: string | Redacted.Redacted | undefined
    }
  | {
      /** The access token. Nothing renews it. */
      readonly accessToken: string | Redacted.Redacted
      readonly refreshToken?: undefined
    }

/**
 * Where tokens are obtained.
 *
 * @category models
 * @since 0.1.0
 */
export interface Server {
  /** The server, without a path. Default: `https://api.paloaltonetworks.com`. */
  readonly tokenUrl?: string | undefined
}

/**
 * Which profile, in which file.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProfileOptions {
  /** The profile. Default: `default`. */
  readonly profile?: string | undefined
  /** The file, an absolute path. Default: `$PAN_CREDENTIALS_DBFILE`, else `~/.config/pan_cortex_data_lake/credentials.json`. */
  readonly dbfile?: string | undefined
}

/**
 * Settings given explicitly, and where the others are.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Settings, Server, ProfileOptions {
  /** Whether access tokens are kept in the profile, beside the refresh token. Default: true. */
  readonly cacheToken?: boolean | undefined
  /** A developer token, which is exchanged for access tokens. Default: `$PAN_DEVELOPER_TOKEN`. */
  readonly developerToken?: string | Redacted.Redacted | undefined
  /** Where developer tokens are exchanged. Default: `$PAN_DEVELOPER_TOKEN_PROVIDER`, else `https://app.apiexplorer.rocks/request_token`. */
  readonly developerTokenProvider?: string | undefined
}

const secret = (value: string | Redacted.Redacted): Redacted.Redacted =>
  Redacted.isRedacted(value) ? value : Redacted.make(value)

const invalid = (option: string, expected: string): InvalidOption =>
  new InvalidOption({ provider: name, option, expected })

const serverOf = ({ tokenUrl = "https://api.paloaltonetworks.com" }: Server) => {
  const base = tokenUrl.replace(/(?<!\/)\/+$/, "")
  return AuthorizationServer.make({
    token_endpoint: `${base}/api/oauth2/RequestToken`,
    revocation_endpoint: `${base}/api/oauth2/RevokeToken`
  })
}

const clientOf = (clientId: string, clientSecret: string | Redacted.Redacted) => ({
  clientId,
  authentication: ClientAuthentication.clientSecretPost(secret(clientSecret)),
  body: "json" as const
})

/**
 * A provider of access tokens: a refresh token and its client, with or without an access token to begin with, or an access token alone. The server is spoken to in JSON.
 *
 * @example
 * ```ts
 * import * as Cortex from "effect-credentials/Cortex"
 * import { Redacted } from "effect"
 *
 * const provider = Cortex.make({ clientId: "me", clientSecret: Redacted.make("s3cret"), refreshToken: Redacted.make("r3fresh") })
 * console.log(provider.name)
 * // Cortex
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Server & Enough): Provider.Provider<HttpClient> => {
  if (options.refreshToken === undefined) return named(StaticToken.make({ token: options.accessToken }))
  const { accessToken, clientId, clientSecret, refreshToken } = options
  const provider = RefreshToken.make({ server: serverOf(options), ...clientOf(clientId, clientSecret), refreshToken })
  return named(accessToken === undefined ? provider : Provider.startingWith(provider, held(accessToken, refreshToken)))
}

const named = <R>(provider: Provider.Provider<R>): Provider.Provider<R> => Provider.make({ ...provider, name })

const held = (
  accessToken: string | Redacted.Redacted,
  refreshToken: string | Redacted.Redacted | undefined
): Effect.Effect<Option.Option<Token.Token>> =>
  Effect.map(DateTime.now, (now) =>
    Option.some({
      ...Token.fromAccessToken(secret(accessToken), now),
      refreshToken: Option.map(Option.fromNullable(refreshToken), secret)
    })
  )

/**
 * A provider that exchanges a developer token for access tokens.
 *
 * @example
 * ```ts
 * import * as Cortex from "effect-credentials/Cortex"
 * import { Redacted } from "effect"
 *
 * console.log(Cortex.developer({ developerToken: Redacted.make("d3v") }).name)
 * // Cortex
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const developer = (options: {
  /** The developer token. */
  readonly developerToken: string | Redacted.Redacted
  /** Where it is exchanged. Default: `https://app.apiexplorer.rocks/request_token`. */
  readonly developerTokenProvider?: string | undefined
}): Provider.Provider<HttpClient> => {
  const bearer = Redacted.make(`Bearer ${Redacted.value(secret(options.developerToken))}`)
  const endpoint = TokenEndpoint.make(name, {
    tokenEndpoint: options.developerTokenProvider ?? "https://app.apiexplorer.rocks/request_token",
    clientId: "developer",
    authentication: {
      method: "developer_token",
      check: () => Effect.void,
      apply: (request) =>
        Effect.succeed({
          ...request,
          headers: [...request.headers, ["authorization", bearer]],
          secrets: [...request.secrets, secret(options.developerToken)]
        })
    }
  })
  return Provider.make({
    name,
    check: Effect.mapError(TokenEndpoint.check(endpoint), (error) =>
      error.option === "tokenEndpoint" ? invalid("developerTokenProvider", error.expected) : error
    ),
    acquire: () => TokenEndpoint.login(endpoint, { params: [], shape: {}, oneTime: false })
  })
}

type Members = Readonly<Record<string, unknown>>

/** The original's file: documents by number, one for each profile. */
const documentsIn = (
  text: Option.Option<string>
): Either.Either<ReadonlyArray<readonly [id: string, Members]>, string> => {
  if (Option.isNone(text)) return Either.right([])
  const members = Json.parseObject(text.value)
  const profiles = members === undefined ? undefined : (Json.member(members, "profiles") ?? {})
  if (!Json.isObject(profiles)) return Either.left("it is no file of profiles")
  return Either.right(Object.entries(profiles).filter((entry): entry is [string, Members] => Json.isObject(entry[1])))
}

const textMember = (document: Members, member: string): string | undefined => {
  const value = Json.member(document, member)
  return typeof value === "string" && !Text.isBlank(value) ? value : undefined
}

const profileOf = (documents: ReadonlyArray<readonly [string, Members]>, profile: string) =>
  documents.find(([, document]) => Json.member(document, "profile") === profile)

/** Sorted and indented as the original writes it; what else is in the file stays. */
const printed = (
  text: Option.Option<string>,
  documents: ReadonlyArray<readonly [string, Members]>
): Option.Option<string> => {
  const others = Option.match(text, { onNone: () => ({}), onSome: (text) => Json.parseObject(text) ?? {} })
  const sorted = (value: unknown): unknown =>
    Json.isObject(value)
      ? Object.fromEntries(
          Object.entries(value)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([member, inner]) => [member, sorted(inner)])
        )
      : value
  return Option.some(JSON.stringify(sorted({ ...others, profiles: Object.fromEntries(documents) }), null, 4))
}

const empty = { client_id: null, client_secret: null, refresh_token: null }

/** The documents with these members in a profile's, which is made if there is none. */
const updated = (
  documents: ReadonlyArray<readonly [string, Members]>,
  profile: string,
  members: Members
): ReadonlyArray<readonly [string, Members]> => {
  const present = profileOf(documents, profile)
  if (present === undefined) {
    const next = String(Math.max(0, ...documents.map(([id]) => (/^\d{1,15}$/.test(id) ? Number(id) : 0))) + 1)
    return [...documents, [next, { profile, ...empty, ...members }]]
  }
  return documents.map((entry) => (entry === present ? [entry[0], { ...entry[1], ...members }] : entry))
}

/** A profile's document as a token, for the store. */
const tokenIn = (document: Members, now: DateTime.Utc): Option.Option<Token.Token> => {
  const accessToken = textMember(document, "access_token")
  const refreshToken = Option.map(Option.fromNullable(textMember(document, "refresh_token")), Redacted.make)
  if (accessToken === undefined && Option.isNone(refreshToken)) return Option.none()
  const token =
    accessToken === undefined
      ? Token.make({ accessToken: Redacted.make(""), issuedAt: now, expiresAt: Option.some(now) })
      : Token.fromAccessToken(Redacted.make(accessToken), now)
  return Option.some({ ...token, refreshToken })
}

const isSame = (one: Token.Token, other: Token.Token): boolean =>
  Token.isSame(one, other) &&
  Option.getOrUndefined(Option.map(one.refreshToken, Redacted.value)) ===
    Option.getOrUndefined(Option.map(other.refreshToken, Redacted.value))

const format: ForeignStore.Format<Token.Token> = {
  read: (text, profile, now) =>
    Either.map(documentsIn(Option.some(text)), (documents) =>
      Option.flatMap(Option.fromNullable(profileOf(documents, profile)), ([, document]) => tokenIn(document, now))
    ),
  write: (text, profile, token) =>
    Either.map(documentsIn(text), (documents) => {
      const members = Option.match(token, {
        onNone: () => ({ access_token: undefined, refresh_token: null }),
        onSome: ({ accessToken, refreshToken }) => ({
          access_token: Redacted.value(accessToken) === "" ? undefined : Redacted.value(accessToken),
          refresh_token: Option.getOrNull(Option.map(refreshToken, Redacted.value))
        })
      })
      return printed(text, updated(documents, profile, members))
    }),
  keys: (text) =>
    Either.map(documentsIn(Option.some(text)), (documents) =>
      documents.flatMap(([, document]) => {
        const profile = textMember(document, "profile")
        return profile === undefined || Option.isNone(tokenIn(document, DateTime.unsafeMake(0))) ? [] : [profile]
      })
    ),
  isSame,
  setsAside: false
}

/** The file, or what has to be set. */
const fileOf = ({ dbfile }: ProfileOptions): Effect.Effect<SharedFile.SharedFile, InvalidOption> =>
  Effect.gen(function* () {
    const set = (variable: string) =>
      Effect.orElseSucceed(Config.string(variable), () => "").pipe(
        Effect.map((value) => (Text.isBlank(value) ? undefined : value))
      )
    const home = yield* set("HOME")
    const path =
      dbfile ??
      (yield* set("PAN_CREDENTIALS_DBFILE")) ??
      (home === undefined ? "" : `${home}/.config/pan_cortex_data_lake/credentials.json`)
    const [, directory, file] = /^((?:\/|[A-Za-z]:[\\/]).*)[\\/]([^\\/]+)$/.exec(path) ?? []
    if (directory === undefined || file === undefined || !Text.isPlain(path)) {
      return yield* invalid("dbfile", "an absolute path, or $PAN_CREDENTIALS_DBFILE set to one, or $HOME set")
    }
    return yield* Effect.mapError(SharedFile.make(directory, file, { lockTimeout: "35 seconds" }), (what) =>
      invalid("dbfile", `used where there are files (${what})`)
    )
  })

const storeOf = (file: SharedFile.SharedFile): TokenStore =>
  ForeignStore.make(file, format, (operation, key, failure) => new TokenStoreError({ operation, key, ...failure }))

/**
 * The original's file as a token store: a key is the name of a profile. Its clients and secrets stay as they are, and so does everything in a file that cannot be read.
 *
 * @example
 * ```ts
 * import * as Cortex from "effect-credentials/Cortex"
 * import * as TokenStore from "effect-credentials/TokenStore"
 * import { Effect } from "effect"
 *
 * const profiles = Effect.flatMap(TokenStore.TokenStore, (store) => store.list)
 * const StoreLive = Cortex.layerStore({ dbfile: "/nonexistent/credentials.json" })
 * console.log(await Effect.runPromise(profiles.pipe(Effect.provide(StoreLive))))
 * // []
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerStore = (options: ProfileOptions = {}): Layer.Layer<TokenStore, InvalidOption> =>
  Layer.effect(TokenStore, Effect.map(fileOf(options), storeOf))

const storeError =
  (operation: TokenStoreError["operation"], key: string) =>
  (failure: SharedFile.Failure): TokenStoreError =>
    new TokenStoreError({ operation, key, ...failure })

/** Changes the documents, under the file's lock. */
const change = (
  options: ProfileOptions,
  operation: "remove" | "transaction",
  f: (documents: ReadonlyArray<readonly [string, Members]>) => ReadonlyArray<readonly [string, Members]>
): Effect.Effect<void, InvalidOption | TokenStoreError> =>
  Effect.flatMap(fileOf(options), (file) =>
    Effect.flatMap(file.read, (text) =>
      Effect.flatMap(
        Either.mapLeft(documentsIn(text), (what): SharedFile.Failure => ({
          reason: "Corrupt",
          description: `${file.path}: ${what}`
        })),
        (documents) => file.replace(text, printed(text, f(documents)))
      )
    ).pipe(Effect.uninterruptible, file.locked, Effect.mapError(storeError(operation, options.profile ?? "default")))
  )

/**
 * Writes settings to a profile, which is made if there is none; those that are left out stay as they are. Nothing else ever writes a secret of yours there.
 *
 * @example
 * ```ts
 * import * as Cortex from "effect-credentials/Cortex"
 * import { Effect, Redacted } from "effect"
 *
 * const program = Cortex.writeCredentials(
 *   { clientId: "me", clientSecret: Redacted.make("s3cret"), refreshToken: Redacted.make("r3fresh") },
 *   { profile: "production" }
 * )
 * console.log(Effect.isEffect(program))
 * // true
 * ```
 *
 * @category profiles
 * @since 0.1.0
 */
export const writeCredentials = (
  settings: Settings,
  options: ProfileOptions = {}
): Effect.Effect<void, InvalidOption | TokenStoreError> => {
  const members = Object.fromEntries(
    (
      [
        ["access_token", settings.accessToken],
        ["client_id", settings.clientId],
        ["client_secret", settings.clientSecret],
        ["refresh_token", settings.refreshToken]
      ] as const
    ).flatMap(([member, value]) => (value === undefined ? [] : [[member, Redacted.value(secret(value))] as const]))
  )
  return change(options, "transaction", (documents) => updated(documents, options.profile ?? "default", members))
}

/**
 * Removes a profile with everything in it. None there is fine.
 *
 * @example
 * ```ts
 * import * as Cortex from "effect-credentials/Cortex"
 * import { Effect } from "effect"
 *
 * console.log(Effect.isEffect(Cortex.removeProfile({ profile: "production" })))
 * // true
 * ```
 *
 * @category profiles
 * @since 0.1.0
 */
export const removeProfile = (options: ProfileOptions = {}): Effect.Effect<void, InvalidOption | TokenStoreError> =>
  change(options, "remove", (documents) =>
    documents.filter(([, document]) => Json.member(document, "profile") !== (options.profile ?? "default"))
  )

/** A profile's settings, by the names of the environment's variables. */
const profileSource = (file: SharedFile.SharedFile, profile: string): Sources.Source => ({
  name: `profile ${Text.printable(profile, 64)} (${file.path})`,
  configProvider: Effect.flatMap(file.read, (text) =>
    Either.mapLeft(documentsIn(text), (description) => ({ description }))
  ).pipe(
    Effect.mapBoth({
      onFailure: ({ description }) => invalid("dbfile", `one that can be read (${description})`),
      onSuccess: (documents) => {
        const [, document] = profileOf(documents, profile) ?? ["", {}]
        const member = (name: string) =>
          Option.getOrUndefined(Option.map(Option.fromNullable(textMember(document, name)), Redacted.make))
        return Sources.configProvider({
          PAN_ACCESS_TOKEN: member("access_token"),
          PAN_CLIENT_ID: textMember(document, "client_id"),
          PAN_CLIENT_SECRET: member("client_secret"),
          PAN_REFRESH_TOKEN: member("refresh_token")
        })
      }
    })
  )
})

/** All that renews, or an access token. */
const resolved: Config.Config<Enough> = Config.all({
  clientId: Config.string("PAN_CLIENT_ID"),
  clientSecret: Config.redacted("PAN_CLIENT_SECRET"),
  refreshToken: Config.redacted("PAN_REFRESH_TOKEN"),
  accessToken: Config.withDefault(Config.redacted("PAN_ACCESS_TOKEN"), undefined)
}).pipe(
  Config.orElse((): Config.Config<Enough> =>
    Config.map(Config.redacted("PAN_ACCESS_TOKEN"), (accessToken) => ({ accessToken }))
  )
)

const explicit = ({ accessToken, clientId, clientSecret, refreshToken }: Settings): Sources.Source =>
  Sources.explicit({
    PAN_ACCESS_TOKEN: accessToken,
    PAN_CLIENT_ID: clientId,
    PAN_CLIENT_SECRET: clientSecret,
    PAN_REFRESH_TOKEN: refreshToken
  })

const isSet = (value: string | Redacted.Redacted | undefined): boolean =>
  value !== undefined && !Text.isBlank(Redacted.value(secret(value)))

const variable = (name: string): Effect.Effect<Option.Option<Redacted.Redacted>> =>
  Effect.map(
    Effect.option(Config.redacted(name)),
    Option.filter((value) => isSet(value))
  )

/**
 * A provider from what is given explicitly, else the environment, else the profile: the first that has any of the four settings decides alone. A developer token comes before all of them but
 * explicit settings and `PAN_ACCESS_TOKEN`.
 *
 * **Details** – fails with `MissingCredentials` if there are none anywhere, with `PartialCredentials` if the source that decides has some of them: the message names which. Tokens
 * of a profile are kept there, in the way of `Provider.persisted`.
 *
 * @example
 * ```ts
 * import * as Cortex from "effect-credentials/Cortex"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromMap(new Map([["PAN_CLIENT_ID", "me"]]))
 * const error = await Effect.runPromise(Effect.flip(Effect.withConfigProvider(Cortex.fromConfig(), environment)))
 * console.log(error._tag)
 * // PartialCredentials
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConfig = (
  options: Options = {}
): Effect.Effect<Provider.Provider<HttpClient>, MissingCredentials | PartialCredentials | InvalidOption> =>
  Effect.gen(function* () {
    const { accessToken, cacheToken = true, clientId, clientSecret, profile = "default", refreshToken } = options
    const isExplicit = [accessToken, clientId, clientSecret, refreshToken].some(isSet)
    const developerToken = isSet(options.developerToken)
      ? Option.some(secret(options.developerToken!))
      : yield* variable("PAN_DEVELOPER_TOKEN")
    if (Option.isSome(developerToken) && !isExplicit && Option.isNone(yield* variable("PAN_ACCESS_TOKEN"))) {
      const at = yield* Effect.option(Config.string("PAN_DEVELOPER_TOKEN_PROVIDER"))
      return developer({
        developerToken: developerToken.value,
        developerTokenProvider: options.developerTokenProvider ?? Option.getOrUndefined(at)
      })
    }
    const from = (...sources: readonly [Sources.Source, ...ReadonlyArray<Sources.Source>]) =>
      Provider.fromConfig(name, { settings: resolved }, ({ settings }) =>
        make({ ...settings, tokenUrl: options.tokenUrl })
      ).pipe(Effect.provide(Sources.layer(sources)))
    return yield* Effect.catchTag(from(explicit(options), Sources.environment), "MissingCredentials", () =>
      Effect.gen(function* () {
        const file = yield* fileOf(options)
        const source = profileSource(file, profile)
        const provider = yield* from(explicit(options), Sources.environment, source)
        return provider.pipe(
          Provider.persisted({ key: profile, persistAccessToken: cacheToken }),
          Provider.provide(Context.make(TokenStore, storeOf(file)))
        )
      })
    )
  })

/**
 * Credentials from what {@link fromConfig} finds.
 *
 * @example
 * ```ts
 * import * as Cortex from "effect-credentials/Cortex"
 * import { Layer } from "effect"
 *
 * console.log(Layer.isLayer(Cortex.layer()))
 * // true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Name extends string = "default">(
  options?: Options,
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, MissingCredentials | PartialCredentials | InvalidOption, HttpClient> =>
  Layer.unwrapEffect(Effect.map(fromConfig(options), (provider) => Credentials.layer(provider, engine)))

/**
 * What was found, as it is: a copy that nothing changes any more.
 *
 * @category models
 * @since 0.1.0
 */
export interface Snapshot {
  /** The access token. */
  readonly accessToken: Option.Option<Redacted.Redacted>
  /** The client's identifier. */
  readonly clientId: Option.Option<string>
  /** The client's secret. */
  readonly clientSecret: Option.Option<Redacted.Redacted>
  /** The refresh token. */
  readonly refreshToken: Option.Option<Redacted.Redacted>
}

/**
 * The settings of the source that decides, whether or not they are enough for a provider.
 *
 * @example
 * ```ts
 * import * as Cortex from "effect-credentials/Cortex"
 * import { Effect, Option } from "effect"
 *
 * const { clientId } = await Effect.runPromise(Cortex.snapshot({ clientId: "me" }))
 * console.log(Option.getOrNull(clientId))
 * // me
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const snapshot = (options: Settings & ProfileOptions = {}): Effect.Effect<Snapshot, InvalidOption> =>
  Effect.gen(function* () {
    const read = (source: Sources.Source) =>
      Effect.flatMap(source.configProvider, (config) =>
        Effect.all({
          accessToken: variable("PAN_ACCESS_TOKEN"),
          clientId: Effect.map(variable("PAN_CLIENT_ID"), Option.map(Redacted.value)),
          clientSecret: variable("PAN_CLIENT_SECRET"),
          refreshToken: variable("PAN_REFRESH_TOKEN")
        }).pipe(Effect.withConfigProvider(config))
      )
    const hasAny = (snapshot: Snapshot) => Object.values(snapshot).some(Option.isSome)
    for (const source of [explicit(options), Sources.environment]) {
      const snapshot = yield* read(source)
      if (hasAny(snapshot)) return snapshot
    }
    return yield* read(profileSource(yield* fileOf(options), options.profile ?? "default"))
  })

/**
 * What a person is to allow.
 *
 * @category models
 * @since 0.1.0
 */
export interface AuthorizationOptions {
  /** The client's identifier. */
  readonly clientId: string
  /** The instance that access is asked for. Default: not said. */
  readonly instanceId?: string | undefined
  /** Where the browser is sent back to. Default: not said. */
  readonly redirectUri?: string | undefined
  /** The region. Default: not said. */
  readonly region?: string | undefined
  /** What the tokens should allow. Default: not said. */
  readonly scope?: string | undefined
  /** What comes back with the code, to be compared. Default: 128 random bits. */
  readonly state?: string | undefined
  /** The login page. Default: `https://identity.paloaltonetworks.com/as/authorization.oauth2`. */
  readonly authBaseUrl?: string | undefined
}

/**
 * The address where a person allows access, and the state to compare when the browser comes back (RFC 6749 §10.12): do not use the code if it differs.
 *
 * @example
 * ```ts
 * import * as Cortex from "effect-credentials/Cortex"
 * import { Effect } from "effect"
 *
 * const { url } = Effect.runSync(Cortex.authorizationUrl({ clientId: "me", region: "americas", scope: "a b", state: "s" }))
 * console.log(new URL(url).search)
 * // ?client_id=me&region=americas&response_type=code&scope=a+b&state=s
 * ```
 *
 * @category logins
 * @since 0.1.0
 */
export const authorizationUrl = (
  options: AuthorizationOptions
): Effect.Effect<{ readonly url: string; readonly state: string }> =>
  Effect.sync(() => {
    const state = options.state ?? Encoding.encodeHex(crypto.getRandomValues(new Uint8Array(16)))
    const parameters = [
      ["client_id", options.clientId],
      ["instance_id", options.instanceId],
      ["redirect_uri", options.redirectUri],
      ["region", options.region],
      ["response_type", "code"],
      ["scope", options.scope],
      ["state", state]
    ] as const
    const query = new URLSearchParams(
      parameters.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
    )
    return {
      url: `${options.authBaseUrl ?? "https://identity.paloaltonetworks.com/as/authorization.oauth2"}?${query}`,
      state
    }
  })

/**
 * The tokens for a code that the browser brought back. Write them to a profile with {@link writeCredentials}, or begin with them.
 *
 * @example
 * ```ts
 * import * as Cortex from "effect-credentials/Cortex"
 * import { Effect, Redacted } from "effect"
 *
 * const program = Cortex.fetchTokens({
 *   clientId: "me", clientSecret: Redacted.make("s3cret"), code: Redacted.make("c0de"), redirectUri: "https://app.example.com/callback"
 * })
 * console.log(Effect.isEffect(program))
 * // true
 * ```
 *
 * @category logins
 * @since 0.1.0
 */
export const fetchTokens = (
  options: Server & {
    /** The client's identifier. */
    readonly clientId: string
    /** The client's secret. */
    readonly clientSecret: string | Redacted.Redacted
    /** The code. */
    readonly code: string | Redacted.Redacted
    /** Where the browser was sent back to: the same as in the login. */
    readonly redirectUri: string
  }
): Effect.Effect<Token.Token, RefreshError, HttpClient> =>
  TokenEndpoint.exchange(
    TokenEndpoint.make(name, { server: serverOf(options), ...clientOf(options.clientId, options.clientSecret) }),
    Grant.make("authorization_code", { code: secret(options.code), redirect_uri: options.redirectUri })
  )
