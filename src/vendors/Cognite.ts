/**
 * Cognite Data Fusion: what its Python SDK's credential providers do, with one layer.
 *
 * Each provider of the original has a function of the same name here, with the same settings; {@link load} reads the configuration that the original's `load` reads, and
 * {@link cached} the token cache that it leaves behind. {@link layer} renews as late as the original does.
 *
 * **Details** – what is done otherwise than in the original, and why:
 *
 * | original | here |
 * | --- | --- |
 * | the style of client authentication changed between versions (C8) | `clientSecret` goes into the body, `style: "basic"` into the header |
 * | a missing `expires_in` is a `KeyError` (C5) | the token is used until the API refuses it |
 * | 5xx and answers that are no JSON are raw errors of the HTTP library (C9) | a `RefreshError` with the status, tried again where that may help |
 * | an answer with less scope than asked for is raised as a warning (C8) | a line in the log; `reducedScope` decides |
 * | custom arguments of an interactive factory are a `TypeError` (C11) | they are parameters |
 * | the first cached account is taken, whoever that is (C13) | one account, or the one of `loginHint`; otherwise a person is asked |
 * | a login waits for ever (C14) | five minutes |
 * | the ID token is decoded, not verified (C15) | verified, with `issuer` |
 * | a device code's first poll comes at once, and the code is sent twice (C20) | RFC 8628, after one interval; once |
 * | a device login that expires ends with `authorization_pending` (C20) | `Interaction`, timed out |
 * | a client assertion is used again for 540 s (C22) | a new one for each attempt |
 * | the cache is a world-readable file in the shared temporary directory, written when the process ends (C23) | it is read, never written: `Provider.persisted` with `TokenStore.layerFile` keeps tokens |
 * | cached access tokens of any account and scope are taken (C21) | those of the account and of all the scopes |
 * | `load` changes the dictionary that it is given (C24) | it does not |
 * | providers show their settings as members, and no environment is read (C26, C29) | the settings are yours, from wherever you like: `Config` |
 * | retries, `disable_ssl` and headers of the SDK's HTTP client (C27, C28) | the `HttpClient` given to the layers; a 401 renews once |
 *
 * @example
 * ```ts
 * import * as AuthenticatedHttpClient from "effect-credentials/AuthenticatedHttpClient"
 * import * as Cognite from "effect-credentials/Cognite"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer, Redacted } from "effect"
 *
 * const provider = Cognite.clientCredentials({
 *   ...Cognite.entraId({ tenant: "contoso.example", cluster: "westeurope-1" }),
 *   clientId: "my-app", clientSecret: Redacted.make("s3cret")
 * })
 * const CogniteLive = AuthenticatedHttpClient.layer({ origins: ["https://westeurope-1.cognitedata.com"] }).pipe(
 *   Layer.provide([Cognite.layer(provider), FetchHttpClient.layer]))
 * console.log(Layer.isLayer(CogniteLive))
 * // true
 * ```
 *
 * @module
 */
import * as FileSystem from "@effect/platform/FileSystem"
import type { HttpClient } from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as AuthorizationServer from "../AuthorizationServer.ts"
import * as ClientAuthentication from "../ClientAuthentication.ts"
import * as Credentials from "../Credentials.ts"
import { InvalidOption } from "../CredentialsError.ts"
import * as Json from "../internal/json.ts"
import * as Text from "../internal/text.ts"
import * as Url from "../internal/url.ts"
import * as Provider from "../Provider.ts"
import * as AuthorizationCode from "../providers/AuthorizationCode.ts"
import * as Certificate from "../providers/ClientCertificate.ts"
import * as ClientCredentials from "../providers/ClientCredentials.ts"
import * as DeviceAuthorization from "../providers/DeviceAuthorization.ts"
import * as StaticToken from "../providers/StaticToken.ts"
import * as TokenFactory from "../providers/TokenFactory.ts"
import * as Token from "../Token.ts"

const name = "Cognite"

const named = <R>(provider: Provider.Provider<R>): Provider.Provider<R> => Provider.make({ ...provider, name })

/**
 * The tenant and the cluster of a project.
 *
 * @category models
 * @since 0.1.0
 */
export interface EntraId {
  /** The tenant: its identifier or one of its domains. */
  readonly tenant: string
  /** The cluster that the project is in, such as `westeurope-1`. */
  readonly cluster: string
}

/**
 * Where a tenant of Entra ID logs in to a cluster, and with which scopes: the settings to spread into any of the providers, as the original's `default_for_entra_id` has them.
 *
 * @example
 * ```ts
 * import * as Cognite from "effect-credentials/Cognite"
 *
 * const { scopes, tokenUrl } = Cognite.entraId({ tenant: "contoso.example", cluster: "api" })
 * console.log(tokenUrl, scopes)
 * // https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token [ 'https://api.cognitedata.com/.default' ]
 * ```
 *
 * @category presets
 * @since 0.1.0
 */
export const entraId = ({
  cluster,
  tenant
}: EntraId): {
  readonly authorityUrl: string
  readonly tokenUrl: string
  readonly scopes: ReadonlyArray<string>
} => ({
  authorityUrl: `https://login.microsoftonline.com/${Url.segment(tenant)}`,
  tokenUrl: `https://login.microsoftonline.com/${Url.segment(tenant)}/oauth2/v2.0/token`,
  scopes: [`https://${encodeURIComponent(cluster)}.cognitedata.com/.default`]
})

/**
 * A provider of a token that is known, or that a function of yours obtains. The function is asked once for each renewal, never twice at a time.
 *
 * @example
 * ```ts
 * import * as Cognite from "effect-credentials/Cognite"
 *
 * console.log(Cognite.token(() => "t0ken").name, Cognite.token("t0ken").name)
 * // Cognite Cognite
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const token = <R = never>(
  token: string | Redacted.Redacted | TokenFactory.Options<R>["token"]
): Provider.Provider<R> =>
  named(
    typeof token === "string" || Redacted.isRedacted(token)
      ? (StaticToken.make({ token }) as Provider.Provider<R>)
      : TokenFactory.make<R>({ token })
  )

/**
 * Who the client is and where it asks.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientCredentialsOptions {
  /** The token endpoint's URL. */
  readonly tokenUrl: string
  /** The client's identifier. */
  readonly clientId: string
  /** The client's secret. */
  readonly clientSecret: string | Redacted.Redacted
  /** What the tokens should allow. Default: as the server decides. */
  readonly scopes?: ReadonlyArray<string> | undefined
  /** Where the secret goes: into the body, as the original does since version 7.43, or into the header, as before, unencoded. Default: `"post"`. */
  readonly style?: "post" | "basic" | undefined
  /** More fields of the request, such as an audience; blank ones are left out, those with an option are refused. Default: none. */
  readonly parameters?: Readonly<Record<string, string>> | undefined
}

const splitAudience = (parameters: Readonly<Record<string, string>> = {}) => {
  const { audience, resource, ...rest } = parameters
  return {
    parameters: rest,
    ...(audience === undefined ? {} : { audience }),
    ...(resource === undefined ? {} : { resource })
  }
}

/**
 * A provider for the client itself: the original's `OAuthClientCredentials`.
 *
 * @example
 * ```ts
 * import * as Cognite from "effect-credentials/Cognite"
 *
 * const provider = Cognite.clientCredentials({
 *   tokenUrl: "https://id.example.com/token", clientId: "my-app", clientSecret: "s3cret", parameters: { audience: "https://cognite.example" }
 * })
 * console.log(provider.name)
 * // Cognite
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const clientCredentials = (options: ClientCredentialsOptions): Provider.Provider<HttpClient> => {
  const secret = Redacted.isRedacted(options.clientSecret) ? options.clientSecret : Redacted.make(options.clientSecret)
  return named(
    ClientCredentials.make({
      tokenEndpoint: options.tokenUrl,
      clientId: options.clientId,
      authentication:
        options.style === "basic"
          ? ClientAuthentication.clientSecretBasic(secret, { raw: true })
          : ClientAuthentication.clientSecretPost(secret),
      scope: options.scopes ?? [],
      ...splitAudience(options.parameters)
    })
  )
}

/** The endpoints of an authority, as Entra ID has them. */
const endpointsOf = (authorityUrl: string) => {
  // Nothing that could be an address, where a setting is missing in spite of its type.
  const base = `${Text.isBlank(authorityUrl) ? "" : authorityUrl.replace(/(?<!\/)\/+$/, "")}/oauth2/v2.0`
  return AuthorizationServer.make({
    authorization_endpoint: `${base}/authorize`,
    token_endpoint: `${base}/token`,
    device_authorization_endpoint: `${base}/devicecode`
  })
}

/** What logins ask for beside their scopes. */
const loginScopes = ["openid", "profile", "offline_access"]

/**
 * Where a person logs in.
 *
 * @category models
 * @since 0.1.0
 */
export type Authority =
  | {
      /** The authority, whose endpoints are where Entra ID has them. */
      readonly authorityUrl: string
      readonly issuer?: undefined
    }
  | {
      /** Any issuer that publishes its metadata (OpenID Connect Discovery); its ID tokens are verified. */
      readonly issuer: string
      readonly authorityUrl?: undefined
    }

/**
 * A person with a browser on this machine.
 *
 * @category models
 * @since 0.1.0
 */
export type InteractiveOptions<R = never> = Authority &
  Pick<AuthorizationCode.LoginOptions<R>, "open" | "show" | "paste" | "loginTimeLimit"> & {
    /** The client's identifier. */
    readonly clientId: string
    /** What the tokens should allow, without `openid`, `profile` and `offline_access`, which a login adds. */
    readonly scopes: ReadonlyArray<string>
    /** The port that the browser comes back to; the redirect URI is `http://localhost` with it. Default: 53000. */
    readonly redirectPort?: number | undefined
    /** How the person is asked. Default: as the server decides. */
    readonly prompt?: "select_account" | "login" | "consent" | undefined
    /** Who is expected to log in. Default: anybody. */
    readonly loginHint?: string | undefined
    /** More parameters of the login. Default: none. */
    readonly parameters?: Readonly<Record<string, string>> | undefined
  }

const serverOf = (options: Authority): AuthorizationServer.AuthorizationServer =>
  options.issuer === undefined ? endpointsOf(options.authorityUrl) : AuthorizationServer.discover(options.issuer)

/**
 * A provider for a person with a browser: the original's `OAuthInteractive`.
 *
 * **Details** – the redirect URI has no path, as registered for the original. A server that knows the redirect `http://localhost` accepts every port: 0 takes one that is free.
 *
 * @example
 * ```ts
 * import * as Cognite from "effect-credentials/Cognite"
 *
 * const provider = Cognite.interactive({ ...Cognite.entraId({ tenant: "contoso.example", cluster: "api" }), clientId: "my-app" })
 * console.log(provider.name)
 * // Cognite
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const interactive = <R = never>(options: InteractiveOptions<R>): Provider.Provider<R | HttpClient> =>
  named(
    AuthorizationCode.make<R>({
      server: serverOf(options),
      clientId: options.clientId,
      scope: [...options.scopes, ...loginScopes],
      redirectPort: options.redirectPort ?? 53_000,
      redirectHost: "localhost",
      redirectPath: "",
      prompt: options.prompt,
      loginHint: options.loginHint,
      open: options.open,
      show: options.show,
      paste: options.paste,
      loginTimeLimit: options.loginTimeLimit,
      ...splitAudience(options.parameters)
    })
  )

/**
 * A person with a second device.
 *
 * @category models
 * @since 0.1.0
 */
export type DeviceCodeOptions<R = never> = Authority & {
  /** The client's identifier. */
  readonly clientId: string
  /** What the tokens should allow. Default: what `cluster` needs. */
  readonly scopes?: ReadonlyArray<string> | undefined
  /** The cluster, in place of scopes: its own two, `openid` and `profile`. Default: none. */
  readonly cluster?: string | undefined
  /** More fields of the request, such as an audience. Default: none. */
  readonly parameters?: Readonly<Record<string, string>> | undefined
  /** Shows the code to the person. Default: `DeviceAuthorization.terminalPrompt`. */
  readonly prompt?: DeviceAuthorization.Options<R>["prompt"]
}

/**
 * The scopes of a cluster for a login with a second device.
 *
 * @example
 * ```ts
 * import * as Cognite from "effect-credentials/Cognite"
 *
 * console.log(Cognite.deviceScopes("api")[0])
 * // https://api.cognitedata.com/IDENTITY
 * ```
 *
 * @category presets
 * @since 0.1.0
 */
export const deviceScopes = (cluster: string): ReadonlyArray<string> => [
  `https://${encodeURIComponent(cluster)}.cognitedata.com/IDENTITY`,
  `https://${encodeURIComponent(cluster)}.cognitedata.com/user_impersonation`,
  "openid",
  "profile"
]

const invalid = (option: string, expected: string): InvalidOption =>
  new InvalidOption({ provider: name, option, expected })

/**
 * A provider for a person with a second device: the original's `OAuthDeviceCode`, at Entra ID or any other issuer.
 *
 * @example
 * ```ts
 * import * as Cognite from "effect-credentials/Cognite"
 *
 * const provider = Cognite.deviceCode({
 *   issuer: "https://id.example.com", clientId: "my-app", scopes: ["openid"], parameters: { audience: "https://cognite.example" }
 * })
 * console.log(provider.name)
 * // Cognite
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const deviceCode = <R = never>(options: DeviceCodeOptions<R>): Provider.Provider<R | HttpClient> => {
  const scope = options.scopes ?? (options.cluster === undefined ? [] : deviceScopes(options.cluster))
  const provider = DeviceAuthorization.make<R>({
    server: serverOf(options),
    clientId: options.clientId,
    scope,
    prompt: options.prompt,
    ...splitAudience(options.parameters)
  })
  return Provider.make({
    ...provider,
    name,
    check: scope.length === 0 ? Effect.fail(invalid("scopes", "given, or a cluster in their place")) : provider.check
  })
}

/**
 * The client and its certificate.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientCertificateOptions {
  /** The authority. */
  readonly authorityUrl: string
  /** The client's identifier. */
  readonly clientId: string
  /** The SHA-1 thumbprint of the certificate, in hexadecimal digits. */
  readonly certThumbprint: string
  /** The private key, as PEM text. */
  readonly certificate: string | Redacted.Redacted
  /** What the tokens should allow. */
  readonly scopes: ReadonlyArray<string>
}

/**
 * A provider for the client, proven by a certificate: the original's `OAuthClientCertificate`.
 *
 * @example
 * ```ts
 * import * as Cognite from "effect-credentials/Cognite"
 *
 * const provider = Cognite.clientCertificate({
 *   ...Cognite.entraId({ tenant: "contoso.example", cluster: "api" }),
 *   clientId: "my-app", certThumbprint: "ab".repeat(20), certificate: "-----BEGIN PRIVATE KEY-----…"
 * })
 * console.log(provider.name)
 * // Cognite
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const clientCertificate = (options: ClientCertificateOptions): Provider.Provider<HttpClient> =>
  named(
    Certificate.make({
      authority: options.authorityUrl,
      clientId: options.clientId,
      thumbprint: options.certThumbprint,
      key: options.certificate,
      scope: options.scopes
    })
  )

/**
 * Which token of the cache.
 *
 * @category models
 * @since 0.1.0
 */
export interface CachedOptions {
  /** The client that the tokens were issued to. */
  readonly clientId: string
  /** The cache file. Default: `cognitetokencache.<client>.bin` in the directory for temporary files (`TMPDIR`, `TEMP` or `/tmp`), where the original keeps it. */
  readonly path?: string | undefined
  /** Whose tokens, where several people have logged in: a user name, in any case. Default: those of the only one. */
  readonly loginHint?: string | undefined
  /** What an access token has to allow. Default: anything. */
  readonly scopes?: ReadonlyArray<string> | undefined
}

const members = (value: unknown): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  Json.isObject(value) ? Object.values(value).filter(Json.isObject) : []
const textOf = (entry: Readonly<Record<string, unknown>>, member: string): string => {
  const value = Json.member(entry, member)
  return typeof value === "string" || typeof value === "number" ? String(value) : ""
}
/** Epoch seconds, which the cache has as text. */
const secondsOf = (entry: Readonly<Record<string, unknown>>, member: string): Option.Option<DateTime.Utc> => {
  const text = textOf(entry, member)
  return /^\d{1,11}$/.test(text) ? DateTime.make(Number(text) * 1000) : Option.none()
}

/**
 * The tokens that the original has left in its cache (MSAL's unified format), to begin with: give it to `Provider.startingWith`. None if there are none for this client, if they are of
 * several people and `loginHint` does not say whose, and if the file cannot be read as a cache, which is a line in the log. The file is never written.
 *
 * @example
 * ```ts
 * import * as Cognite from "effect-credentials/Cognite"
 * import * as Provider from "effect-credentials/Provider"
 *
 * const settings = { ...Cognite.entraId({ tenant: "contoso.example", cluster: "api" }), clientId: "my-app" }
 * const provider = Cognite.interactive(settings).pipe(Provider.startingWith(Cognite.cached(settings)))
 * console.log(provider.name)
 * // Cognite
 * ```
 *
 * @category sources
 * @since 0.1.0
 */
export const cached = (
  options: CachedOptions
): Effect.Effect<Option.Option<Token.Token>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const folder = yield* Config.string("TMPDIR").pipe(
      Config.orElse(() => Config.string("TEMP")),
      Effect.orElseSucceed(() => "/tmp")
    )
    const path = options.path ?? `${folder.replace(/(?<![\\/])[\\/]+$/, "")}/cognitetokencache.${options.clientId}.bin`
    const text = yield* Effect.option(files.readFileString(path))
    if (Option.isNone(text)) return Option.none()
    const cache = Json.parseObject(text.value)
    if (cache === undefined) {
      yield* Effect.logWarning(`${name}: ${Text.printable(path, 256)} is not a token cache, it is left alone`)
      return Option.none()
    }
    const mine = (kind: string) =>
      members(Json.member(cache, kind)).filter((entry) => textOf(entry, "client_id") === options.clientId)
    const hint = options.loginHint?.toLowerCase()
    const people = new Set(
      members(Json.member(cache, "Account"))
        .filter((account) => hint === undefined || textOf(account, "username").toLowerCase() === hint)
        .map((account) => textOf(account, "home_account_id"))
    )
    const [person] = people
    if (person === undefined || people.size > 1) return Option.none()
    const of = (entry: Readonly<Record<string, unknown>>) => textOf(entry, "home_account_id") === person
    const scopeOf = (entry: Readonly<Record<string, unknown>>) =>
      textOf(entry, "target")
        .split(" ")
        .filter((scope) => scope !== "")
    const allows = (entry: Readonly<Record<string, unknown>>) => {
      const granted = scopeOf(entry).map((scope) => scope.toLowerCase())
      return (options.scopes ?? []).every((scope) => granted.includes(scope.toLowerCase()))
    }
    const refresh = mine("RefreshToken").filter(of)
    const refreshToken = Option.map(
      Option.fromNullable(refresh.map((entry) => textOf(entry, "secret")).find((secret) => !Text.isBlank(secret))),
      Redacted.make
    )
    const access = mine("AccessToken")
      .filter((entry) => of(entry) && allows(entry) && textOf(entry, "secret") !== "")
      .sort((a, b) => Number(textOf(b, "expires_on")) - Number(textOf(a, "expires_on")))[0]
    const now = yield* DateTime.now
    if (access === undefined) {
      // Expired from the beginning: all there is to it is its refresh token.
      return Option.map(refreshToken, (refreshToken) =>
        Token.make({
          accessToken: Redacted.make(""),
          issuedAt: now,
          expiresAt: Option.some(now),
          refreshToken: Option.some(refreshToken)
        })
      )
    }
    return Option.some(
      Token.make({
        accessToken: Redacted.make(textOf(access, "secret")),
        issuedAt: Option.getOrElse(secondsOf(access, "cached_at"), () => now),
        // Without a time that can be read it is not trusted.
        expiresAt: Option.orElseSome(secondsOf(access, "expires_on"), () => now),
        refreshToken,
        scope: scopeOf(access)
      })
    )
  })

/**
 * Credentials that are renewed as late as the original renews them: 15 seconds before they expire, unless `renewAhead` says otherwise.
 *
 * @example
 * ```ts
 * import * as Cognite from "effect-credentials/Cognite"
 * import { Layer } from "effect"
 *
 * console.log(Layer.isLayer(Cognite.layer(Cognite.token("t0ken"))))
 * // true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R, Name extends string = "default">(
  provider: Provider.Provider<R>,
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, InvalidOption, Exclude<R, Scope.Scope>> =>
  Credentials.layer(provider, { renewAhead: "15 seconds", ...engine })

/**
 * What a configuration says: a provider, and how long before their expiry its tokens are renewed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Loaded {
  /** The provider. */
  readonly provider: Provider.Provider<HttpClient>
  /** For {@link layer}. */
  readonly renewAhead: Duration.DurationInput
}

/** The kinds of configuration, and what each must and may say. Whatever else stands in those with `hasParameters` is a parameter. */
const kinds = {
  token: { must: [], may: [], hasParameters: false },
  client_credentials: {
    must: ["token_url", "client_id", "client_secret"],
    may: ["scopes"],
    hasParameters: true
  },
  interactive: {
    must: ["authority_url", "client_id", "scopes"],
    may: ["redirect_port", "prompt", "login_hint", "token_cache_path"],
    hasParameters: false
  },
  device_code: {
    must: ["client_id"],
    may: [
      "authority_url",
      "oauth_discovery_url",
      "scopes",
      "cdf_cluster",
      "token_cache_path",
      "mem_cache_only",
      "clear_cache"
    ],
    hasParameters: true
  },
  client_certificate: {
    must: ["authority_url", "client_id", "cert_thumbprint", "certificate", "scopes"],
    may: [],
    hasParameters: false
  }
} as const

type Kind = keyof typeof kinds

const isKind = (text: string): text is Kind => Object.hasOwn(kinds, text)

const leewayMember = "token_expiry_leeway_seconds"

/**
 * A provider from a configuration: an object, or its JSON text, with one member that names the kind of credentials (`token`, `client_credentials`, `interactive`, `device_code`,
 * `client_certificate`) and holds the original's arguments. YAML is read by a YAML library of yours first. The object is not changed.
 *
 * **Details** – `scopes` is a list, or a text with spaces between them. Members that a kind does not know are parameters of `client_credentials` and `device_code`, and an
 * `InvalidOption` elsewhere. The settings of the original's cache (`token_cache_path`, `mem_cache_only`, `clear_cache`) mean nothing here and are accepted; see {@link cached}.
 *
 * @example
 * ```ts
 * import * as Cognite from "effect-credentials/Cognite"
 * import { Effect } from "effect"
 *
 * const config = { client_credentials: { client_id: "my-app", client_secret: "s3cret", scopes: "a b" } }
 * console.log(Effect.runSync(Effect.flip(Cognite.load(config))).message)
 * // Cognite: option client_credentials.token_url must be given as text
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const load = (config: unknown): Effect.Effect<Loaded, InvalidOption> =>
  Effect.gen(function* () {
    const members = typeof config === "string" ? Json.parseObject(config) : config
    if (!Json.isObject(members)) {
      return yield* invalid("config", "an object, or the JSON text of one")
    }
    const names = Object.keys(members)
    const [kind] = names
    if (kind === undefined || names.length > 1 || !isKind(kind)) {
      return yield* invalid("config", `made of exactly one of ${Object.keys(kinds).join(", ")}`)
    }
    const given = members[kind]
    if (kind === "token") {
      const value = Json.isObject(given) ? Json.member(given, "token") : given
      if (typeof value !== "string" && typeof value !== "function") {
        return yield* invalid("token", "a text, or a function that returns one")
      }
      return {
        provider: token(value as string | (() => string)),
        renewAhead: "15 seconds"
      }
    }
    if (!Json.isObject(given)) return yield* invalid(kind, "an object with the arguments of that provider")
    const { hasParameters, may, must } = kinds[kind]
    const at = (member: string) => `${kind}.${member}`
    const text = (member: string): string | undefined => {
      const value = Json.member(given, member)
      return typeof value === "string" && !Text.isBlank(value) ? value : undefined
    }
    for (const member of must) {
      if (member !== "scopes" && text(member) === undefined) return yield* invalid(at(member), "given as text")
    }
    const scopesGiven = Json.member(given, "scopes")
    const scopes =
      typeof scopesGiven === "string"
        ? scopesGiven.split(" ").filter((scope) => scope !== "")
        : Array.isArray(scopesGiven) && scopesGiven.every((scope) => typeof scope === "string")
          ? (scopesGiven as ReadonlyArray<string>)
          : undefined
    if (scopes === undefined && (scopesGiven !== undefined || (must as ReadonlyArray<string>).includes("scopes"))) {
      return yield* invalid(at("scopes"), "a list of texts, or a text with spaces between them")
    }
    const known: ReadonlyArray<string> = [...must, ...may, leewayMember]
    const others = Object.entries(given).filter(([member]) => !known.includes(member))
    const unknown = others.find(([, value]) => !hasParameters || typeof value !== "string")
    if (unknown !== undefined) {
      return yield* invalid(
        at(Text.printable(unknown[0], 64)),
        hasParameters ? "a text, as all parameters are" : `one of ${known.join(", ")}`
      )
    }
    const parameters = Object.fromEntries(others) as Readonly<Record<string, string>>
    const leeway = Number(Json.member(given, leewayMember) ?? 15)
    if (!(leeway >= 0 && leeway <= 86_400)) return yield* invalid(at(leewayMember), "a number of seconds")
    const renewAhead = `${Math.trunc(leeway)} seconds` as const
    const clientId = text("client_id")!
    switch (kind) {
      case "client_credentials":
        return {
          renewAhead,
          provider: clientCredentials({
            tokenUrl: text("token_url")!,
            clientId,
            clientSecret: text("client_secret")!,
            scopes,
            parameters
          })
        }
      case "interactive": {
        const port = Json.member(given, "redirect_port") ?? 53_000
        const prompt = Json.member(given, "prompt")
        if (typeof port !== "number") return yield* invalid(at("redirect_port"), "a number")
        if (prompt !== undefined && prompt !== "select_account" && prompt !== "login" && prompt !== "consent") {
          return yield* invalid(at("prompt"), "select_account, login or consent")
        }
        return {
          renewAhead,
          provider: interactive({
            authorityUrl: text("authority_url")!,
            clientId,
            scopes: scopes!,
            redirectPort: port,
            prompt,
            loginHint: text("login_hint")
          })
        }
      }
      case "device_code": {
        const authorityUrl = text("authority_url")
        const issuer = text("oauth_discovery_url")
        if ((authorityUrl === undefined) === (issuer === undefined)) {
          return yield* invalid(kind, "made with either authority_url or oauth_discovery_url")
        }
        const cluster = text("cdf_cluster")
        return {
          renewAhead,
          provider: deviceCode({
            ...(issuer === undefined ? { authorityUrl: authorityUrl! } : { issuer }),
            clientId,
            scopes,
            cluster,
            parameters
          })
        }
      }
      case "client_certificate":
        return {
          renewAhead,
          provider: clientCertificate({
            authorityUrl: text("authority_url")!,
            clientId,
            certThumbprint: text("cert_thumbprint")!,
            certificate: text("certificate")!,
            scopes: scopes!
          })
        }
    }
  })
