/**
 * Google: what its Python library does with the credentials of users, and where it finds those of applications.
 *
 * {@link applicationDefault} finds what this machine has: the file that `GOOGLE_APPLICATION_CREDENTIALS` names, what gcloud left behind, the metadata server. {@link make} is for tokens of
 * a person, {@link gcloud}, {@link apiKey} and {@link anonymous} for the rest. The credentials of a person are a value: read with {@link fromAuthorizedUserFile}, copied with
 * {@link withQuotaProject} and its like, written with {@link toJson}.
 *
 * **Details** – what is done otherwise than in the original, and why:
 *
 * | original | here |
 * | --- | --- |
 * | asynchronous credentials never refresh by themselves, nor after a 401; the user's token is never awaited (G5, G21, G24) | there is one kind of credentials, and it does |
 * | a lost connection is not tried again, and pauses block the event loop (G9) | three attempts, and pauses that block nobody |
 * | an answer that is not JSON ends in an `AttributeError`; error text is the whole answer (G10) | `RefreshError` with code, description and status, without secrets |
 * | scopes that were not granted are an error after the state has changed (G11) | `missingScopes` decides, before anybody sees the token |
 * | asynchronous credentials ignore the refresh handler; with a refresh token it is never asked (G12) | it is asked where there is no refresh token, and where that is refused |
 * | reauthentication by password, security key or SAML at the terminal (G14, G15) | not built, it is gcloud's own: `ReauthenticationRequired` says which command to run, and a `raptToken` that it left is sent |
 * | `to_json` loses the quota project (G18) | it keeps it, and names the type, so that {@link load} reads it again |
 * | copies lose the expiry and the refresh handler, and never expire (G19) | they keep both |
 * | gcloud runs for every request, and its warnings become a part of the token (G21) | every five minutes, and only what it prints on its standard output |
 * | a second 401 refreshes again (G24) | one renewal, one replay: a second would bring the same token |
 * | parallel callers each refresh, one background thread at most (G23, G25) | one renewal for everybody, also in the background |
 * | `has_scopes`, `requires_scopes` (G26) | `token.scope` is what was granted |
 * | App Engine's first generation, `gdch_service_account`, certificates and AWS as sources (G28) | not built: use a file, a URL or a program as source |
 * | any host in a configuration is asked (G28) | Google's, and those of `trustedHosts`; programs run only where that is allowed |
 * | error classes for each module (G29) | `InvalidOption`, `PartialCredentials` and `MissingCredentials` when a layer is built, `RefreshError` later |
 * | pickling (G30) | {@link toJson}, or `Provider.persisted` with any store |
 * | hashes of secrets in debug logs (G31) | nothing of a secret is logged |
 * | no revocation (G32) | `revoke` tells Google. A first login is `AuthorizationCode` with the issuer {@link issuer} |
 *
 * @example
 * ```ts
 * import * as AuthenticatedHttpClient from "effect-credentials/AuthenticatedHttpClient"
 * import * as Google from "effect-credentials/Google"
 * import { FetchHttpClient } from "@effect/platform"
 * import { NodeContext } from "@effect/platform-node"
 * import { Layer } from "effect"
 *
 * const GoogleLive = AuthenticatedHttpClient.layer({ origins: ["https://storage.googleapis.com"] }).pipe(
 *   Layer.provide(Google.layerApplicationDefault({ quotaProject: "my-project" })),
 *   Layer.provide([FetchHttpClient.layer, NodeContext.layer])
 * )
 * console.log(Layer.isLayer(GoogleLive))
 * // true
 * ```
 *
 * @module
 */
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import * as FileSystem from "@effect/platform/FileSystem"
import type { HttpClient } from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Config from "effect/Config"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Authorization from "../Authorization.ts"
import * as AuthorizationServer from "../AuthorizationServer.ts"
import * as Chain from "../Chain.ts"
import * as ClientAuthentication from "../ClientAuthentication.ts"
import * as Credentials from "../Credentials.ts"
import { InvalidOption, MissingCredentials, PartialCredentials, RefreshError } from "../CredentialsError.ts"
import type * as IdToken from "../IdToken.ts"
import * as Json from "../internal/json.ts"
import * as Node from "../internal/node.ts"
import { own } from "../internal/own.ts"
import * as Secret from "../internal/secret.ts"
import * as Text from "../internal/text.ts"
import * as Url from "../internal/url.ts"
import * as Grant from "../protocol/Grant.ts"
import * as Provider from "../Provider.ts"
import * as ApiKey from "../providers/ApiKey.ts"
import * as Command from "../providers/Command.ts"
import * as GoogleMetadata from "../providers/GoogleMetadata.ts"
import * as JwtBearer from "../providers/JwtBearer.ts"
import * as TokenExchange from "../providers/TokenExchange.ts"
import * as TokenFactory from "../providers/TokenFactory.ts"
import * as Token from "../Token.ts"
import * as TokenEndpoint from "../TokenEndpoint.ts"
import * as WorkloadIdentity from "../WorkloadIdentity.ts"

const name = "Google"

/**
 * Who logs people in: for `AuthorizationCode`, and for `IdToken.verifier`.
 *
 * @category presets
 * @since 0.1.0
 */
export const issuer = "https://accounts.google.com"

const tokenEndpoint = "https://oauth2.googleapis.com/token"
const revocationEndpoint = "https://oauth2.googleapis.com/revoke"
const universe = "googleapis.com"
const cloudPlatform = "https://www.googleapis.com/auth/cloud-platform"
const login = "gcloud auth application-default login"

const named = <R>(provider: Provider.Provider<R>): Provider.Provider<R> => Provider.make({ ...provider, name })

const invalid = (option: string, expected: string): InvalidOption =>
  new InvalidOption({ provider: name, option, expected })

const failed = (description: string): RefreshError =>
  new RefreshError({ provider: name, reason: { _tag: "Source", description } })

/** As the original: one second, then two, each a tenth more or less. */
const retry = /* @__PURE__ */ Schedule.exponential("1 second").pipe(
  Schedule.jitteredWith({ min: 0.9, max: 1.1 }),
  Schedule.intersect(Schedule.recurs(2))
)

/**
 * How tokens go on a request: as a bearer token, and the project that pays, where there is one, in `x-goog-user-project`.
 *
 * **Gotchas** – a request that has one of these headers already goes out as it is: give another project to {@link withQuotaProject}, not to the request.
 *
 * @example
 * ```ts
 * import * as Google from "effect-credentials/Google"
 *
 * console.log(Google.authorization("my-project").names, Google.authorization().names)
 * // [ 'authorization', 'x-goog-user-project' ] [ 'authorization' ]
 * ```
 *
 * @category authorization
 * @since 0.1.0
 */
export const authorization = (quotaProject?: string): Authorization.Authorization =>
  quotaProject === undefined || quotaProject === ""
    ? Authorization.bearer
    : Authorization.withHeaders(Authorization.bearer, { "x-goog-user-project": quotaProject })

/**
 * The credentials of a person: tokens, what renews them and what for. A plain value: the functions around it make others of it, and {@link make} a provider.
 *
 * @category models
 * @since 0.1.0
 */
export interface AuthorizedUser<out R = never> {
  /** The access token to begin with. Default: none, the first is obtained when it is needed. */
  readonly token?: string | Redacted.Redacted | undefined
  /** When that token expires. Default: the `exp` of a JWT, else it is used until an API refuses it. */
  readonly expiresAt?: DateTime.Utc | undefined
  /** What obtains the next access token, with `clientId` and `clientSecret`. Default: none. */
  readonly refreshToken?: string | Redacted.Redacted | undefined
  /** The ID token that came with the access token. Default: none. */
  readonly idToken?: string | Redacted.Redacted | undefined
  /** The client that the refresh token was issued to. */
  readonly clientId?: string | undefined
  /** That client's secret. */
  readonly clientSecret?: string | Redacted.Redacted | undefined
  /** The token endpoint. Default: `https://oauth2.googleapis.com/token`. */
  readonly tokenUri?: string | undefined
  /** What tokens should allow; asked for at every renewal. An empty list counts as given. Default: `defaultScopes`. */
  readonly scopes?: ReadonlyArray<string> | undefined
  /** What a library asks for where the application says nothing. Default: all that the person has allowed. */
  readonly defaultScopes?: ReadonlyArray<string> | undefined
  /** What to do if less is granted than `scopes` asks for: a line in the log, or an error. Default: `"warn"`. */
  readonly missingScopes?: "warn" | "error" | undefined
  /** The project that requests are counted for. Default: the client's own. */
  readonly quotaProject?: string | undefined
  /** Where the APIs are. Tokens are renewed only in Google's own. Default: `googleapis.com`. */
  readonly universeDomain?: string | undefined
  /** Who the person is, for people: an address. Default: not known; `Provider.persisted` then wants a key. */
  readonly account?: string | undefined
  /** The proof of a reauthentication that gcloud has left in its file. Default: none. */
  readonly raptToken?: string | Redacted.Redacted | undefined
  /** Obtains a token where there is no refresh token, or where that is refused. Default: nothing does. */
  readonly refreshHandler?: TokenFactory.Options<R>["token"] | undefined
  /** Verifies the ID tokens that come with renewals: `IdToken.verifier({ server: Google.issuer, clientId })`. Default: nothing does. */
  readonly verifier?: IdToken.Verifier | undefined
}

/**
 * A copy of a person's credentials with one member changed: everything else stays, also what the original's copies lose.
 *
 * @category models
 * @since 0.1.0
 */
export interface Copy<Value> {
  /** For `pipe`. */
  (value: Value): <R>(self: AuthorizedUser<R>) => AuthorizedUser<R>
  /** The other way round. */
  <R>(self: AuthorizedUser<R>, value: Value): AuthorizedUser<R>
}

/**
 * The same credentials, for requests that count for another project; an empty text: for the client's own.
 *
 * @example
 * ```ts
 * import * as Google from "effect-credentials/Google"
 * import { DateTime } from "effect"
 *
 * const user: Google.AuthorizedUser = { token: "t0ken", expiresAt: DateTime.unsafeMake(0) }
 * const copy = Google.withQuotaProject(user, "my-project")
 * console.log(copy.quotaProject, copy.expiresAt === user.expiresAt, user.quotaProject)
 * // my-project true undefined
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withQuotaProject: Copy<string> = /* @__PURE__ */ dual(
  2,
  <R>(self: AuthorizedUser<R>, quotaProject: string) => ({
    ...self,
    quotaProject
  })
)

/**
 * The same credentials, renewed at another token endpoint.
 *
 * @example
 * ```ts
 * import * as Google from "effect-credentials/Google"
 *
 * console.log(Google.withTokenUri({ token: "t0ken" }, "https://id.example.com/token").tokenUri)
 * // https://id.example.com/token
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withTokenUri: Copy<string> = /* @__PURE__ */ dual(2, <R>(self: AuthorizedUser<R>, tokenUri: string) => ({
  ...self,
  tokenUri
}))

/**
 * The same credentials, for APIs of another universe.
 *
 * @example
 * ```ts
 * import * as Google from "effect-credentials/Google"
 *
 * console.log(Google.withUniverseDomain({ token: "t0ken" }, "apis.example.com").universeDomain)
 * // apis.example.com
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withUniverseDomain: Copy<string> = /* @__PURE__ */ dual(
  2,
  <R>(self: AuthorizedUser<R>, universeDomain: string) => ({
    ...self,
    universeDomain
  })
)

/**
 * The same credentials, with the name of the person they are of.
 *
 * @example
 * ```ts
 * import * as Google from "effect-credentials/Google"
 *
 * console.log(Google.withAccount({ token: "t0ken" }, "ada@example.com").account)
 * // ada@example.com
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withAccount: Copy<string> = /* @__PURE__ */ dual(2, <R>(self: AuthorizedUser<R>, account: string) => ({
  ...self,
  account
}))

/**
 * The same credentials with the tokens of now: for {@link toJson}, after a renewal.
 *
 * @example
 * ```ts
 * import * as Google from "effect-credentials/Google"
 * import * as Token from "effect-credentials/Token"
 * import { DateTime, Redacted } from "effect"
 *
 * const renewed = Token.make({ accessToken: Redacted.make("t1ken"), issuedAt: DateTime.unsafeMake(0) })
 * const user = Google.withToken({ token: "t0ken", refreshToken: "r3fresh" }, renewed)
 * console.log(String(user.token), user.refreshToken)
 * // <redacted> r3fresh
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withToken: Copy<Token.Token> = /* @__PURE__ */ dual(
  2,
  <R>(self: AuthorizedUser<R>, token: Token.Token): AuthorizedUser<R> => ({
    ...self,
    token: token.accessToken,
    expiresAt: Option.getOrUndefined(token.expiresAt),
    refreshToken: Option.getOrElse(token.refreshToken, () => self.refreshToken),
    idToken: Option.getOrUndefined(token.idToken)
  })
)

/** Tells Google what kind of client asks. */
const metrics = "gl-js/es2022 auth/effect-credentials cred-type/u"

const withMetrics = (
  authentication: ClientAuthentication.ClientAuthentication
): ClientAuthentication.ClientAuthentication => ({
  ...authentication,
  apply: (request, context) =>
    Effect.map(authentication.apply(request, context), (request) => ({
      ...request,
      headers: [...request.headers, ["x-goog-api-client", metrics]]
    }))
})

/**
 * Says in `x-goog-api-client` that a request goes out with a person's credentials, beside what stands there: for `HttpClient.mapRequest`.
 *
 * @example
 * ```ts
 * import * as Google from "effect-credentials/Google"
 * import { HttpClientRequest } from "@effect/platform"
 *
 * const request = HttpClientRequest.get("https://storage.googleapis.com").pipe(HttpClientRequest.setHeader("x-goog-api-client", "gl-js/1"))
 * console.log(Google.identify(request).headers["x-goog-api-client"])
 * // gl-js/1 cred-type/u
 * ```
 *
 * @category authorization
 * @since 0.1.0
 */
export const identify = (request: HttpClientRequest.HttpClientRequest): HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.setHeader(
    request,
    "x-goog-api-client",
    `${request.headers["x-goog-api-client"] ?? ""} cred-type/u`.trim()
  )

/** A new login is what a person does elsewhere: say how. */
const advised = (error: RefreshError): RefreshError => {
  const { provider, reason } = error
  if (reason._tag !== "ReauthenticationRequired") return error
  const said = reason.description === undefined ? "" : `${reason.description}; `
  return new RefreshError({ provider, reason: { ...reason, description: `${said}run ${login}` } })
}

const scopesOf = ({ defaultScopes = [], scopes }: AuthorizedUser<unknown>): ReadonlyArray<string> =>
  scopes ?? defaultScopes

/** What Google calls them in its answers. */
const longNames: Readonly<Record<string, string>> = {
  email: "https://www.googleapis.com/auth/userinfo.email",
  profile: "https://www.googleapis.com/auth/userinfo.profile"
}

const checkScope = (
  wanted: ReadonlyArray<string>,
  granted: ReadonlyArray<string>,
  missingScopes: AuthorizedUser["missingScopes"]
): Effect.Effect<void, RefreshError> => {
  const missing = wanted.filter((scope) => !granted.includes(scope) && !granted.includes(longNames[scope] ?? scope))
  if (missing.length === 0) return Effect.void
  const description = `Google granted less than was asked for, missing: ${missing.join(" ")}`
  return missingScopes === "error"
    ? new RefreshError({ provider: name, reason: { _tag: "InvalidResponse", description } })
    : Effect.logWarning(`${name}: ${description}`)
}

/** Spends the refresh token. Google never rotates one, so a lost answer is simply asked for again. */
const renewing = <R>(
  user: AuthorizedUser<R>,
  refreshToken: string | Redacted.Redacted,
  client: Pick<Provider.GrantOptions, "clientId" | "authentication"> & { readonly oneTime: boolean }
): Provider.Provider<HttpClient> => {
  const { account, missingScopes, raptToken, tokenUri = tokenEndpoint } = user
  const scope = scopesOf(user)
  const parameters = raptToken === undefined ? {} : { parameters: { rapt: raptToken } }
  const provider = Provider.fromGrant(
    name,
    {
      server: AuthorizationServer.make({
        token_endpoint: tokenUri,
        ...(tokenUri === tokenEndpoint ? { revocation_endpoint: revocationEndpoint } : {})
      }),
      clientId: client.clientId,
      authentication: withMetrics(client.authentication!),
      scope,
      retry,
      reducedScope: "ignore",
      authorization: authorization(user.quotaProject)
    },
    ({ previous }) =>
      Effect.succeed(
        Grant.refreshToken(
          Option.getOrElse(
            Option.flatMap(previous, (token) => token.refreshToken),
            () => Secret.redacted(refreshToken)
          ),
          // Without it the next token would allow everything again.
          { scope, oneTime: client.oneTime, ...parameters }
        )
      ),
    { refreshes: false, subject: account, credential: Secret.redacted(refreshToken) }
  )
  return Provider.make({
    ...provider,
    // Everybody who uses gcloud has the same client.
    key: account === undefined || account === "" ? Option.none() : provider.key,
    acquire: (need) =>
      Effect.tap(Effect.mapError(provider.acquire(need), advised), (token) =>
        checkScope(scope, token.scope, missingScopes)
      )
  })
}

const failing = (description: string, authorization: Authorization.Authorization): Provider.Provider =>
  Provider.make({ name, authorization, acquire: () => Effect.fail(failed(description)) })

const isGiven = (value: string | Redacted.Redacted | undefined): value is string | Redacted.Redacted =>
  value !== undefined && !Secret.isBlank(value)

const problemOf = (user: AuthorizedUser<unknown>): InvalidOption | undefined => {
  if (isGiven(user.refreshToken)) {
    const missing = (["clientId", "clientSecret"] as const).filter((option) => !isGiven(user[option]))
    return missing.length === 0
      ? undefined
      : invalid(missing.join(", "), "given: a refresh token is spent with refreshToken, clientId and clientSecret")
  }
  return isGiven(user.token) || user.refreshHandler !== undefined
    ? undefined
    : invalid("token", "given, or refreshToken with clientId and clientSecret, or refreshHandler")
}

/**
 * A provider of a person's tokens: begins with the one that is there, spends the refresh token, asks the refresh handler.
 *
 * **Details** – a renewal asks for `scopes` each time. 408, 429, 5xx and Google's words for a passing trouble are tried three times in all, after one second and after two. Where Google
 * wants the person to log in again (`invalid_rapt`, `rapt_required`) the error is `ReauthenticationRequired` with the command to run.
 *
 * @example
 * ```ts
 * import * as Google from "effect-credentials/Google"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const Halfway = Google.layer(Google.make({ refreshToken: "r3fresh", clientId: "me" })).pipe(Layer.provide(FetchHttpClient.layer))
 * console.log(Effect.runSync(Effect.flip(Effect.scoped(Layer.build(Halfway)))).message)
 * // Google: option clientSecret must be given: a refresh token is spent with refreshToken, clientId and clientSecret
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(given: AuthorizedUser<R>): Provider.Provider<R | HttpClient> => {
  const user = own(given)
  const { clientId = "", clientSecret = "", refreshHandler, refreshToken, universeDomain = universe } = user
  const way = authorization(user.quotaProject)
  const handler =
    refreshHandler === undefined ? undefined : TokenFactory.make<R>({ token: refreshHandler, authorization: way })
  const renewal: Provider.Provider<HttpClient> | undefined = !isGiven(refreshToken)
    ? undefined
    : universeDomain !== universe
      ? failing(`tokens of people are renewed in ${universe} only`, way)
      : renewing(user, refreshToken, {
          clientId,
          authentication: ClientAuthentication.clientSecretPost(clientSecret),
          oneTime: false
        })
  return whole(user, renewal, handler)
}

/** What renews, and what there is to begin with. */
const whole = <R>(
  user: AuthorizedUser<R>,
  renewal: Provider.Provider<HttpClient> | undefined,
  handler?: Provider.Provider<R>
): Provider.Provider<R | HttpClient> => {
  const { expiresAt, idToken, refreshToken, token, verifier } = user
  const renews: Provider.Provider<R | HttpClient> =
    renewal === undefined
      ? (handler ??
        failing(
          "the token has expired and nothing renews it: refreshToken, clientId and clientSecret would",
          authorization(user.quotaProject)
        ))
      : handler === undefined
        ? renewal
        : Provider.orElse(renewal, handler)
  const verified = verifier === undefined ? renews : Provider.verified(renews, verifier)
  const problem = problemOf(user)
  const held = Effect.map(DateTime.now, (now) => {
    const known = Token.fromAccessToken(Secret.redacted(token ?? ""), now)
    return Option.some(
      Token.make({
        ...known,
        expiresAt: expiresAt === undefined ? known.expiresAt : Option.some(expiresAt),
        refreshToken: isGiven(refreshToken) ? Option.some(Secret.redacted(refreshToken)) : Option.none(),
        idToken: isGiven(idToken) ? Option.some(Secret.redacted(idToken)) : Option.none(),
        scope: user.scopes ?? []
      })
    )
  })
  const provider = isGiven(token) ? Provider.startingWith(verified, held) : verified
  return Provider.make({
    ...provider,
    name,
    check: problem === undefined ? provider.check : Effect.fail(problem)
  })
}

// Files

type Members = Readonly<Record<string, unknown>>

/** The members of an object, or of the JSON text of one. */
const membersOf = (info: unknown, source: string | undefined): Effect.Effect<Members, InvalidOption> => {
  const members = typeof info === "string" ? Json.parseObject(info) : info
  return Json.isObject(members)
    ? Effect.succeed(members)
    : Effect.fail(invalid(source ?? "info", "an object, or the JSON text of one"))
}

const textAt = (members: Members, member: string): string | undefined => {
  const value = Json.member(members, member)
  return typeof value === "string" && !Text.isBlank(value) ? value : undefined
}

const within = (source: string | undefined): string => (source === undefined ? "" : ` in ${source}`)

/** The texts that must be there, or which are and which are not. */
const needed = <const Names extends ReadonlyArray<string>>(
  members: Members,
  names: Names,
  source: string | undefined
): Effect.Effect<Readonly<Record<Names[number], string>>, PartialCredentials> => {
  const present = names.filter((member) => textAt(members, member) !== undefined)
  const missing = names.filter((member) => !present.includes(member))
  return missing.length === 0
    ? Effect.succeed(
        Object.fromEntries(names.map((member) => [member, textAt(members, member)!])) as Record<Names[number], string>
      )
    : Effect.fail(
        new PartialCredentials({
          provider: name,
          present: present.length === 0 ? ["type"] : present,
          missing,
          ...(source === undefined ? {} : { source })
        })
      )
}

/** As the original writes it: UTC, without an offset. */
const timeOf = (text: string): Option.Option<DateTime.Utc> => {
  const seconds = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(\.\d+)?Z?$/.exec(text)?.[1]
  return seconds === undefined
    ? Option.none()
    : Option.filter(DateTime.make(`${seconds}Z`), (time) => DateTime.formatIso(time).startsWith(seconds))
}

const listOf = (value: unknown): ReadonlyArray<string> | undefined =>
  typeof value === "string"
    ? value.split(" ").filter((scope) => scope !== "")
    : Array.isArray(value) && value.every((scope) => typeof scope === "string")
      ? value
      : undefined

/**
 * Where settings come from, and what an application wants.
 *
 * @category models
 * @since 0.1.0
 */
export interface InfoOptions {
  /** What tokens should allow. Default: what the settings say. */
  readonly scopes?: ReadonlyArray<string> | undefined
  /** What errors call the place that the settings come from. Default: nothing. */
  readonly source?: string | undefined
}

/**
 * The credentials of a person from what gcloud and the original write: an object, or its JSON text.
 *
 * **Details** – `refresh_token`, `client_id` and `client_secret` must be there (`PartialCredentials` names those that are not). A token without an `expiry` counts as expired; an expiry with an offset is an
 * `InvalidOption`. `token_uri` is not looked at: secrets go to Google.
 *
 * @example
 * ```ts
 * import * as Google from "effect-credentials/Google"
 * import { Effect } from "effect"
 *
 * const user = Google.fromAuthorizedUserInfo({ refresh_token: "r3fresh", client_id: "me", scopes: "a b" })
 * console.log(Effect.runSync(Effect.flip(user)).message)
 * // Google is half configured: refresh_token, client_id are set, client_secret is missing
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromAuthorizedUserInfo = (
  info: unknown,
  options: InfoOptions = {}
): Effect.Effect<AuthorizedUser, InvalidOption | PartialCredentials> =>
  Effect.gen(function* () {
    const { source } = options
    const members = yield* membersOf(info, source)
    const { client_id, client_secret, refresh_token } = yield* needed(
      members,
      ["refresh_token", "client_id", "client_secret"],
      source
    )
    const token = textAt(members, "token")
    const expiry = Json.member(members, "expiry") ?? ""
    const now = yield* DateTime.now
    // What is not known to live is renewed first.
    const expiresAt = expiry === "" ? Option.some(now) : typeof expiry === "string" ? timeOf(expiry) : Option.none()
    if (Option.isNone(expiresAt)) {
      return yield* invalid("expiry", `a time in UTC such as 2030-01-31T12:00:00Z${within(source)}`)
    }
    const said = Json.member(members, "scopes")
    const scopes = options.scopes ?? listOf(said)
    if (scopes === undefined && said !== undefined) {
      return yield* invalid("scopes", `a list of texts, or a text with spaces between them${within(source)}`)
    }
    const rapt = textAt(members, "rapt_token")
    return {
      ...(token === undefined ? {} : { token: Redacted.make(token), expiresAt: expiresAt.value }),
      refreshToken: Redacted.make(refresh_token),
      clientId: client_id,
      clientSecret: Redacted.make(client_secret),
      scopes,
      quotaProject: textAt(members, "quota_project_id"),
      universeDomain: textAt(members, "universe_domain"),
      account: textAt(members, "account"),
      ...(rapt === undefined ? {} : { raptToken: Redacted.make(rapt) })
    }
  })

const readJson = (path: string, option: string): Effect.Effect<Members, InvalidOption, FileSystem.FileSystem> => {
  const shown = Text.printable(path, 256)
  return Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(path)).pipe(
    Effect.mapError((error) =>
      invalid(
        option,
        `a file that can be read: ${shown} ${
          error._tag === "SystemError" && error.reason === "NotFound" ? "is not there" : "is not, check its permissions"
        }`
      )
    ),
    Effect.flatMap((text) => {
      const members = Json.parseObject(text)
      return members === undefined
        ? invalid(option, `a file with a JSON object: ${shown} holds something else`)
        : Effect.succeed(members)
    })
  )
}

/**
 * The credentials of a person from a file, as {@link fromAuthorizedUserInfo} reads it.
 *
 * @example
 * ```ts
 * import * as Google from "effect-credentials/Google"
 * import { NodeFileSystem } from "@effect/platform-node"
 * import { Effect } from "effect"
 *
 * const user = Google.fromAuthorizedUserFile("/no/such/file").pipe(Effect.provide(NodeFileSystem.layer))
 * console.log((await Effect.runPromise(Effect.flip(user))).message)
 * // Google: option path must be a file that can be read: /no/such/file is not there
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromAuthorizedUserFile = (
  path: string,
  options?: Pick<InfoOptions, "scopes">
): Effect.Effect<AuthorizedUser, InvalidOption | PartialCredentials, FileSystem.FileSystem> =>
  Effect.flatMap(readJson(path, "path"), (members) =>
    fromAuthorizedUserInfo(members, { ...options, source: Text.printable(path, 256) })
  )

const revealed = (value: string | Redacted.Redacted | undefined): string | undefined =>
  Redacted.isRedacted(value) ? Redacted.value(value) : value

/** As the original writes it: seconds, and what is less than one in six digits. */
const timeText = (time: DateTime.Utc): string =>
  DateTime.formatIso(time).replace(/\.(\d{3})Z$/, (_, millis: string) => (millis === "000" ? "Z" : `.${millis}000Z`))

/**
 * The credentials of a person as JSON that the original, gcloud and {@link fromAuthorizedUserInfo} read. It holds secrets.
 *
 * @example
 * ```ts
 * import * as Google from "effect-credentials/Google"
 * import { Redacted } from "effect"
 *
 * const user = { refreshToken: "r3fresh", clientId: "me", clientSecret: "s3cret", quotaProject: "my-project" }
 * const json = Google.toJson(user, { strip: ["client_secret", "token_uri", "universe_domain"] })
 * console.log(Redacted.value(json))
 * // {"refresh_token":"r3fresh","client_id":"me","quota_project_id":"my-project","type":"authorized_user"}
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const toJson = (
  user: AuthorizedUser<unknown>,
  options?: {
    /** Which members to leave out, by the names they have in the file. Default: none. */
    readonly strip?: ReadonlyArray<string> | undefined
  }
): Redacted.Redacted => {
  const members = {
    token: revealed(user.token),
    refresh_token: revealed(user.refreshToken),
    token_uri: user.tokenUri ?? tokenEndpoint,
    client_id: user.clientId,
    client_secret: revealed(user.clientSecret),
    scopes: user.scopes,
    rapt_token: revealed(user.raptToken),
    universe_domain: user.universeDomain ?? universe,
    account: user.account,
    expiry: user.expiresAt === undefined ? undefined : timeText(user.expiresAt),
    quota_project_id: user.quotaProject,
    type: "authorized_user"
  }
  return Redacted.make(
    JSON.stringify(Object.fromEntries(Object.entries(members).filter(([member]) => !options?.strip?.includes(member))))
  )
}

// What applications find

/**
 * What the credentials of applications may need, beside an `HttpClient`: files and programs. On Node, `NodeContext.layer` has both.
 *
 * @category models
 * @since 0.1.0
 */
export type Platform = HttpClient | FileSystem.FileSystem | CommandExecutor

/**
 * What an application wants of the credentials that it finds.
 *
 * @category models
 * @since 0.1.0
 */
export interface LoadOptions extends InfoOptions {
  /** The project that requests are counted for. Default: what the settings say. */
  readonly quotaProject?: string | undefined
  /** The user that a service account acts for (domain-wide delegation). Default: itself. */
  readonly subject?: string | undefined
  /**
   * Which hosts settings may name beside Google's own, such as `sts.example.com` or `localhost:8080`: where tokens are traded, and where the token of a platform comes from. Default: none.
   */
  readonly trustedHosts?: ReadonlyArray<string> | undefined
  /** Whether settings may name files with tokens, and programs to run. Default: neither; of those that {@link applicationDefault} and {@link loadFile} find, files. */
  readonly allow?: ReadonlyArray<"file" | "executable"> | undefined
}

/** Hosts that issue tokens, and the one address that the metadata servers of all clouds have. */
const googleHosts =
  /^(oauth2\.googleapis\.com|www\.googleapis\.com|accounts\.google\.com|(sts|iamcredentials)(\.mtls)?\.googleapis\.com|(sts|iamcredentials)\.[a-z0-9-]+\.rep\.googleapis\.com)$/
const platformHosts = /^169\.254\.169\.254$/

interface Settings {
  readonly members: Members
  readonly options: LoadOptions
}

/** A URL in settings, if nothing is lost when secrets go there. */
const hostOf = (
  { options: { source, trustedHosts = [] } }: Settings,
  member: string,
  url: string,
  own: RegExp
): Effect.Effect<string, InvalidOption> => {
  const parsed = Url.endpoint(url, true)
  return parsed !== undefined && (own.test(parsed.host) || trustedHosts.includes(parsed.host))
    ? Effect.succeed(url)
    : Effect.fail(
        invalid(
          member,
          `a URL of Google, or of a host in trustedHosts${parsed === undefined ? "" : ` (${Text.printable(parsed.host, 128)} is neither)`}${within(source)}`
        )
      )
}

/** Whatever these settings are of. */
const providerOf = (
  settings: Settings
): Effect.Effect<Provider.Provider<Platform>, InvalidOption | PartialCredentials> => {
  const { members, options } = settings
  const type = textAt(members, "type") ?? ""
  if (!Object.hasOwn(kinds, type)) {
    return Effect.fail(invalid("type", `one of ${Object.keys(kinds).join(", ")}${within(options.source)}`))
  }
  return kinds[type as keyof typeof kinds](settings)
}

const quotaOf = ({ members, options }: Settings): string | undefined =>
  options.quotaProject ?? textAt(members, "quota_project_id")

const scopesFor = ({ options }: Settings): ReadonlyArray<string> => options.scopes ?? [cloudPlatform]

/** The client that gcloud logs people in with. */
const gcloudClient = /^764086051850-/

const authorizedUser = (settings: Settings) =>
  Effect.gen(function* () {
    const user = yield* fromAuthorizedUserInfo(settings.members, settings.options)
    const quotaProject = quotaOf(settings)
    if (gcloudClient.test(user.clientId ?? "") && quotaProject === undefined) {
      yield* Effect.logWarning(
        `${name}: a person's login through gcloud, without a quota project: some APIs refuse it, run gcloud auth application-default set-quota-project`
      )
    }
    return make({ ...user, quotaProject })
  })

const serviceAccount = (settings: Settings) =>
  Effect.gen(function* () {
    const { members, options } = settings
    const { client_email, private_key } = yield* needed(members, ["client_email", "private_key"], options.source)
    const token_uri = yield* hostOf(settings, "token_uri", textAt(members, "token_uri") ?? tokenEndpoint, googleHosts)
    const json = { client_email, private_key, private_key_id: textAt(members, "private_key_id"), token_uri }
    const { subject } = options
    return JwtBearer.make({
      ...JwtBearer.fromServiceAccountJson(json, { scope: scopesFor(settings), subject }),
      retry,
      authorization: authorization(quotaOf(settings))
    })
  })

const sessionUser = (settings: Settings) =>
  Effect.gen(function* () {
    const { members, options } = settings
    const { client_id, client_secret, refresh_token, token_url } = yield* needed(
      members,
      ["refresh_token", "token_url", "client_id", "client_secret"],
      options.source
    )
    const user: AuthorizedUser = {
      refreshToken: Redacted.make(refresh_token),
      clientId: client_id,
      clientSecret: Redacted.make(client_secret),
      tokenUri: yield* hostOf(settings, "token_url", token_url, googleHosts),
      scopes: options.scopes,
      quotaProject: quotaOf(settings)
    }
    const authentication = ClientAuthentication.clientSecretBasic(user.clientSecret!)
    return whole(user, renewing(user, user.refreshToken!, { clientId: client_id, authentication, oneTime: true }))
  })

/** The token of one party, traded at IAM for one of a service account. */
const impersonating = <R>(
  source: Provider.Provider<R>,
  options: {
    readonly url: string
    readonly scopes: ReadonlyArray<string>
    readonly delegates: ReadonlyArray<string>
    readonly seconds: number
    readonly authorization: Authorization.Authorization
  }
): Provider.Provider<R | HttpClient> => {
  const { delegates, scopes, seconds, url } = options
  const endpoint = (token: Redacted.Redacted) =>
    TokenEndpoint.make(name, {
      tokenEndpoint: url,
      clientId: "anonymous",
      body: "json",
      retry,
      authentication: {
        method: "none",
        check: () => Effect.void,
        apply: (request) =>
          Effect.succeed({
            ...request,
            headers: [...request.headers, ["authorization", Redacted.make(`Bearer ${Redacted.value(token)}`)]],
            secrets: [...request.secrets, token]
          })
      }
    })
  return Provider.make<R | HttpClient>({
    name,
    authorization: options.authorization,
    timeLimit: Duration.sum(source.timeLimit, "30 seconds"),
    check: Effect.zipRight(source.check, TokenEndpoint.check(endpoint(Redacted.make("")))),
    acquire: (need) =>
      Effect.flatMap(source.acquire({ ...need, previous: Option.none() }), ({ accessToken }) =>
        TokenEndpoint.login(endpoint(accessToken), {
          params: [
            ...delegates.map((delegate) => ["delegates", delegate] as const),
            ...scopes.map((scope) => ["scope", scope] as const),
            ["lifetime", `${seconds}s`]
          ],
          lists: ["delegates", "scope"],
          shape: { accessToken: "accessToken", expiresAt: "expireTime" },
          message: "error.message",
          oneTime: false
        })
      ).pipe(
        Effect.map((token) => ({ ...token, scope: scopes })),
        Effect.mapError((error) =>
          // Whose permission is missing is in the description: nothing has expired.
          error.reason._tag === "Rejected" && error.provider === name
            ? new RefreshError({ provider: name, reason: { ...error.reason, code: "access_denied" } })
            : error
        )
      )
  })
}

const impersonatedServiceAccount = (
  settings: Settings
): Effect.Effect<Provider.Provider<Platform>, InvalidOption | PartialCredentials> =>
  Effect.gen(function* () {
    const { members, options } = settings
    const { service_account_impersonation_url } = yield* needed(
      members,
      ["service_account_impersonation_url"],
      options.source
    )
    const url = yield* hostOf(
      settings,
      "service_account_impersonation_url",
      service_account_impersonation_url,
      googleHosts
    )
    const inner = Json.member(members, "source_credentials")
    if (!Json.isObject(inner) || textAt(inner, "type") === "impersonated_service_account") {
      return yield* invalid("source_credentials", `the credentials of whoever impersonates${within(options.source)}`)
    }
    const delegates = listOf(Json.member(members, "delegates") ?? [])
    if (delegates === undefined) return yield* invalid("delegates", `a list of texts${within(options.source)}`)
    // What the person has allowed, or all of the platform: scopes are those of the impersonated account.
    const source = yield* providerOf({ members: inner, options: { ...options, scopes: undefined, subject: undefined } })
    return impersonating(source, {
      url,
      scopes: scopesFor(settings),
      delegates,
      seconds: 3600,
      authorization: authorization(quotaOf(settings))
    })
  })

/** The token of a platform: in a file, at a URL, or printed by a program. */
const subjectOf = (
  settings: Settings,
  audience: string,
  tokenType: string
): Effect.Effect<
  {
    readonly token: Effect.Effect<Redacted.Redacted, RefreshError, Platform>
    readonly check: Effect.Effect<void, InvalidOption, Platform>
  },
  InvalidOption
> =>
  Effect.gen(function* () {
    const { members, options } = settings
    const { allow = [], source } = options
    const from = Json.member(members, "credential_source")
    const given = Json.isObject(from) ? from : {}
    const format = Json.member(given, "format")
    const isJson = Json.isObject(format) && textAt(format, "type") === "json"
    const path = isJson ? textAt(format, "subject_token_field_name") : undefined
    if (isJson && path === undefined) {
      return yield* invalid("credential_source.format.subject_token_field_name", `given${within(source)}`)
    }
    const refused = (kind: string) =>
      invalid(`credential_source.${kind}`, `allowed by the option allow: ["${kind}"]${within(source)}`)
    const file = textAt(given, "file")
    if (file !== undefined) {
      if (!allow.includes("file")) return yield* refused("file")
      return { token: WorkloadIdentity.file(file, { path }), check: Effect.void }
    }
    const at = textAt(given, "url")
    if (at !== undefined && textAt(given, "environment_id") === undefined) {
      const url = yield* hostOf(settings, "credential_source.url", at, platformHosts)
      const headers = Json.member(given, "headers") ?? {}
      if (!Json.isObject(headers) || !Object.values(headers).every((value) => typeof value === "string")) {
        return yield* invalid("credential_source.headers", `an object of texts${within(source)}`)
      }
      const secrets = Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name, Redacted.make(String(value))])
      )
      const token = WorkloadIdentity.url({ url, headers: secrets, path, timeLimit: "10 seconds" })
      return { token, check: Effect.void }
    }
    const program = Json.member(given, "executable")
    const line = Json.isObject(program) ? textAt(program, "command") : undefined
    if (!Json.isObject(program) || line === undefined) {
      return yield* invalid("credential_source", `a file, a url or an executable${within(source)}`)
    }
    if (!allow.includes("executable")) return yield* refused("executable")
    const millis = Json.member(program, "timeout_millis") ?? 30_000
    if (typeof millis !== "number" || !(millis >= 5_000 && millis <= 120_000)) {
      return yield* invalid(
        "credential_source.executable.timeout_millis",
        `a number from 5000 to 120000${within(source)}`
      )
    }
    const [command = "", ...args] = line.trim().split(/\s+/)
    const running = Command.make({
      command,
      args,
      parse: {
        accessToken: tokenType.endsWith(":saml2") ? "saml_response" : "id_token",
        expiresAt: "expiration_time"
      },
      environment: {
        GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE: audience,
        GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE: tokenType,
        GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE: "0"
      },
      timeLimit: Duration.millis(millis)
    })
    const need = { previous: Option.none(), validFor: Duration.zero, interaction: "forbidden" } as const
    const token = Effect.zipWith(running.acquire(need), DateTime.now, (token, now) =>
      Token.freshness(token, now) === "Expired"
        ? Effect.fail(failed("the token that the program printed has expired"))
        : Effect.succeed(token.accessToken)
    )
    return { token: Effect.flatten(token), check: running.check }
  })

const externalAccount = (settings: Settings) =>
  Effect.gen(function* () {
    const { members, options } = settings
    const { audience, subject_token_type, token_url } = yield* needed(
      members,
      ["audience", "subject_token_type", "token_url"],
      options.source
    )
    const at = yield* hostOf(settings, "token_url", token_url, googleHosts)
    const iam = textAt(members, "service_account_impersonation_url")
    const url =
      iam === undefined ? undefined : yield* hostOf(settings, "service_account_impersonation_url", iam, googleHosts)
    const subject = yield* subjectOf(settings, audience, subject_token_type)
    const clientId = textAt(members, "client_id")
    const clientSecret = textAt(members, "client_secret") ?? ""
    const project = textAt(members, "workforce_pool_user_project")
    const way = authorization(quotaOf(settings))
    const client =
      clientId === undefined
        ? {}
        : { clientId, authentication: ClientAuthentication.clientSecretBasic(Redacted.make(clientSecret)) }
    // With a client of its own the project is the client's.
    const parameters: Readonly<Record<string, string>> =
      project === undefined || clientId !== undefined
        ? {}
        : { options: encodeURIComponent(JSON.stringify({ userProject: project })) }
    const exchange = TokenExchange.make<Platform>({
      ...client,
      tokenEndpoint: at,
      subjectToken: subject.token,
      subjectTokenType: subject_token_type,
      requestedTokenType: "accessToken",
      audience,
      scope: url === undefined ? scopesFor(settings) : [cloudPlatform],
      parameters,
      retry,
      authorization: way
    })
    const provider = Provider.make({ ...exchange, check: Effect.zipRight(subject.check, exchange.check) })
    if (url === undefined) return provider
    const impersonation = Json.member(members, "service_account_impersonation")
    const seconds =
      (Json.isObject(impersonation) ? Json.member(impersonation, "token_lifetime_seconds") : undefined) ?? 3600
    if (typeof seconds !== "number" || !(seconds >= 600 && seconds <= 43_200)) {
      return yield* invalid(
        "service_account_impersonation.token_lifetime_seconds",
        `a number from 600 to 43200${within(options.source)}`
      )
    }
    return impersonating(provider, { url, scopes: scopesFor(settings), delegates: [], seconds, authorization: way })
  })

const kinds = {
  authorized_user: authorizedUser,
  service_account: serviceAccount,
  external_account: externalAccount,
  external_account_authorized_user: sessionUser,
  impersonated_service_account: impersonatedServiceAccount
}

/**
 * A provider from settings of any type that Google's tools write: `authorized_user`, `service_account`, `external_account`, `external_account_authorized_user`,
 * `impersonated_service_account`; an object, or its JSON text.
 *
 * **Details** – whoever wrote the settings decides where secrets are sent and what is run: URLs must be Google's or of `trustedHosts`, files and programs need `allow`.
 *
 * @example
 * ```ts
 * import * as Google from "effect-credentials/Google"
 * import { Effect } from "effect"
 *
 * const info = { type: "service_account", client_email: "robot@p.iam.gserviceaccount.com", private_key: "…", token_uri: "https://evil.example/" }
 * console.log(Effect.runSync(Effect.flip(Google.load(info))).message)
 * // Google: option token_uri must be a URL of Google, or of a host in trustedHosts (evil.example is neither)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const load = (
  info: unknown,
  options: LoadOptions = {}
): Effect.Effect<Provider.Provider<Platform>, InvalidOption | PartialCredentials> =>
  Effect.gen(function* () {
    const members = yield* membersOf(info, options.source)
    const provider = yield* providerOf({ members, options })
    const check = Effect.mapError(provider.check, ({ expected, option }) =>
      invalid(option, `${expected}${within(options.source)}`)
    )
    return Provider.make({ ...provider, name, check })
  })

const setting = (variable: string): Effect.Effect<Option.Option<string>> =>
  Effect.map(
    Effect.option(Config.string(variable)),
    Option.filter((value) => !Text.isBlank(value))
  )

/** Whoever can read a private key can be who it is for. Windows has no such modes. */
const warnIfShared = (path: string): Effect.Effect<void, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (files) => files.stat(path)).pipe(
    Effect.flatMap(({ mode }) =>
      (mode & 0o077) === 0 || Node.platform() === "win32"
        ? Effect.void
        : Effect.logWarning(
            `${name}: others on this machine can read the private key in ${Text.printable(path, 256)}: chmod 600`
          )
    ),
    Effect.ignore
  )

const loadAt = (path: string, option: string, options: LoadOptions) =>
  Effect.gen(function* () {
    if (Text.isBlank(path)) return yield* invalid(option, "the path of a file")
    const members = yield* readJson(path, option)
    if (textAt(members, "private_key") !== undefined) yield* warnIfShared(path)
    const isAllowed = Option.contains(yield* setting("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"), "1")
    return yield* load(members, {
      allow: ["file", ...(isAllowed ? (["executable"] as const) : [])],
      source: Text.printable(path, 256),
      ...options
    })
  })

/**
 * A provider from a file, as {@link load} reads it. Programs are run where `GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES` is 1.
 * A private key that others on this machine can read is warned of.
 *
 * @example
 * ```ts
 * import * as Google from "effect-credentials/Google"
 * import { Effect } from "effect"
 *
 * const provider = Google.loadFile("/run/secrets/robot.json", { scopes: ["https://www.googleapis.com/auth/pubsub"] })
 * console.log(Effect.isEffect(provider))
 * // true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const loadFile = (
  path: string,
  options: LoadOptions = {}
): Effect.Effect<Provider.Provider<Platform>, InvalidOption | PartialCredentials, FileSystem.FileSystem> =>
  loadAt(path, "path", options)

/** Where gcloud keeps what an application may find. */
const gcloudFile: Effect.Effect<string> = Effect.gen(function* () {
  const [chosen, home, data, drive] = yield* Effect.forEach(
    ["CLOUDSDK_CONFIG", "HOME", "APPDATA", "SystemDrive"],
    (variable) => Effect.map(setting(variable), Option.getOrUndefined)
  )
  const windows = Node.platform() === "win32"
  const usual = windows
    ? `${(data ?? `${drive ?? "C:"}`).replace(/(?<![\\/])[\\/]+$/, "")}\\gcloud`
    : `${home ?? ""}/.config/gcloud`
  return `${(chosen ?? usual).replace(/(?<![\\/])[\\/]+$/, "")}${windows ? "\\" : "/"}application_default_credentials.json`
})

const variable = "GOOGLE_APPLICATION_CREDENTIALS"

/**
 * What an application wants of the credentials that it finds on this machine.
 *
 * @category models
 * @since 0.1.0
 */
export interface ApplicationDefaultOptions extends Omit<LoadOptions, "source"> {
  /** How long the machine's metadata server may take to answer, above zero and at most a minute: where there is none, the search ends after that. Default: 5 seconds. */
  readonly metadataTimeLimit?: Duration.DurationInput | undefined
}

/**
 * The provider that this machine has for applications: the file that `GOOGLE_APPLICATION_CREDENTIALS` names, else what `gcloud auth application-default login` has left
 * (`CLOUDSDK_CONFIG`, `~/.config/gcloud`, `%APPDATA%\gcloud`), else the metadata server of the machine.
 *
 * **Details** – `GOOGLE_CLOUD_QUOTA_PROJECT` stands in for `quotaProject` and wins over the file. A file that is named and not there stops the search. Without `scopes`, service accounts ask for the whole
 * platform and people for what they have allowed. `explain` says what was found.
 *
 * @example
 * ```ts
 * import * as Chain from "effect-credentials/Chain"
 * import * as Google from "effect-credentials/Google"
 * import { NodeFileSystem } from "@effect/platform-node"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const elsewhere = ConfigProvider.fromMap(new Map([["CLOUDSDK_CONFIG", "/no/such"]]))
 * const found = Google.applicationDefault().pipe(Effect.withConfigProvider(elsewhere), Effect.provide(NodeFileSystem.layer))
 * console.log(Chain.format(await Effect.runPromise(Effect.flatMap(found, ({ explain }) => explain))).split("\n")[0])
 * // skipped    Google          looked for GOOGLE_APPLICATION_CREDENTIALS in the configuration, nothing is set
 * ```
 *
 * @see <https://cloud.google.com/docs/authentication/application-default-credentials>
 * @category constructors
 * @since 0.1.0
 */
export const applicationDefault = (
  options: ApplicationDefaultOptions = {}
): Effect.Effect<
  Chain.Chain<Platform>,
  MissingCredentials | PartialCredentials | InvalidOption,
  FileSystem.FileSystem
> =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const quotaProject = options.quotaProject ?? Option.getOrUndefined(yield* setting("GOOGLE_CLOUD_QUOTA_PROJECT"))
    const wanted = { ...options, quotaProject }
    const gcloudPath = yield* gcloudFile
    const missing = (what: string) => new MissingCredentials({ provider: name, missing: [what] })
    const chosen = Effect.gen(function* () {
      const path = yield* setting(variable)
      return yield* Option.isNone(path) || path.value === gcloudPath
        ? missing(variable)
        : loadAt(path.value, variable, wanted)
    })
    const left = Effect.gen(function* () {
      const isThere = yield* Effect.orElseSucceed(files.exists(gcloudPath), () => false)
      return yield* isThere
        ? loadAt(gcloudPath, "the file of gcloud", wanted)
        : missing(Text.printable(gcloudPath, 256))
    })
    const timeLimit = options.metadataTimeLimit ?? "5 seconds"
    const machine = GoogleMetadata.make({
      scope: options.scopes,
      timeLimit,
      authorization: authorization(quotaProject)
    })
    const chain = yield* Chain.firstConfigured(
      Effect.provideService(chosen, FileSystem.FileSystem, files),
      Effect.provideService(left, FileSystem.FileSystem, files),
      Chain.within(machine, timeLimit)
    )
    return Object.assign(named<Platform>(chain), { explain: chain.explain })
  })

/**
 * What the original calls the project id: `GOOGLE_CLOUD_PROJECT`, `GCLOUD_PROJECT`, the project of a service account's file, what `gcloud config get project` prints. None: nobody knows.
 *
 * @example
 * ```ts
 * import * as Google from "effect-credentials/Google"
 * import { NodeContext } from "@effect/platform-node"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromMap(new Map([["GOOGLE_CLOUD_PROJECT", "my-project"]]))
 * const id = Google.projectId().pipe(Effect.withConfigProvider(environment), Effect.provide(NodeContext.layer))
 * console.log((await Effect.runPromise(id)).toJSON())
 * // { _id: 'Option', _tag: 'Some', value: 'my-project' }
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const projectId = (
  options: Pick<GcloudOptions, "command"> = {}
): Effect.Effect<Option.Option<string>, never, FileSystem.FileSystem | CommandExecutor> =>
  Effect.gen(function* () {
    for (const variable of ["GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"]) {
      const set = yield* setting(variable)
      if (Option.isSome(set)) return set
    }
    const path = Option.getOrElse(yield* setting(variable), () => "")
    const file = yield* Effect.option(readJson(path === "" ? yield* gcloudFile : path, variable))
    const written = Option.flatMapNullable(file, (members) => textAt(members, "project_id"))
    if (Option.isSome(written)) return written
    const need = { previous: Option.none(), validFor: Duration.zero, interaction: "forbidden" } as const
    const printed = Command.make({ command: programOf(options), args: ["config", "get", "project"] }).acquire(need)
    return yield* Effect.option(Effect.map(printed, ({ accessToken }) => Redacted.value(accessToken)))
  })

/**
 * Whose token gcloud prints.
 *
 * @category models
 * @since 0.1.0
 */
export interface GcloudOptions {
  /** The account. Default: the active one. */
  readonly account?: string | undefined
  /** The project that requests are counted for. Default: gcloud's own. */
  readonly quotaProject?: string | undefined
  /** The program: a name that is looked for in `PATH`, or an absolute path. Default: `gcloud`, on Windows `gcloud.cmd`. */
  readonly command?: string | undefined
}

const programOf = ({ command }: Pick<GcloudOptions, "command">): string =>
  command ?? (Node.platform() === "win32" ? "gcloud.cmd" : "gcloud")

/**
 * A provider of the token that `gcloud auth print-access-token` prints: of the person that has logged in there. Since gcloud does not say how long it lives, it is asked again after five minutes.
 *
 * @example
 * ```ts
 * import * as Google from "effect-credentials/Google"
 *
 * console.log(Google.gcloud({ account: "ada@example.com", quotaProject: "my-project" }).authorization.names)
 * // [ 'authorization', 'x-goog-user-project' ]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const gcloud = (options: GcloudOptions = {}): Provider.Provider<CommandExecutor> => {
  const { account, quotaProject } = options
  const provider = Command.make({
    command: programOf(options),
    args: ["auth", "print-access-token", ...(account === undefined ? [] : [`--account=${account}`])],
    installHint: "see https://cloud.google.com/sdk/docs/install",
    authorization: authorization(quotaProject)
  })
  return Provider.make({
    ...provider,
    name,
    acquire: (need) =>
      Effect.map(provider.acquire(need), (token) => ({
        ...token,
        expiresAt: Option.orElseSome(token.expiresAt, () => DateTime.add(token.issuedAt, { minutes: 5 }))
      }))
  })
}

/**
 * A provider of an API key, which goes in `x-goog-api-key`.
 *
 * @example
 * ```ts
 * import * as Google from "effect-credentials/Google"
 * import { Redacted } from "effect"
 *
 * console.log(Google.apiKey(Redacted.make("k3y")).authorization.names)
 * // [ 'x-goog-api-key' ]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const apiKey = (key: string | Redacted.Redacted): Provider.Provider =>
  named(ApiKey.make({ headers: { "x-goog-api-key": key } }))

/**
 * A provider for whoever needs no credentials, where some are expected: it puts nothing on requests.
 *
 * @example
 * ```ts
 * import * as Google from "effect-credentials/Google"
 *
 * console.log(Google.anonymous.authorization.names)
 * // []
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const anonymous: Provider.Provider = Provider.make({
  name,
  authorization: Authorization.byOrigin({}),
  acquire: () =>
    Effect.map(DateTime.now, (issuedAt) => Token.make({ accessToken: Redacted.make("anonymous"), issuedAt }))
})

/**
 * Credentials that are renewed as early as the original renews them: 225 seconds before they expire, or a fifth of their life if that is less, unless `renewAhead` says otherwise.
 *
 * @example
 * ```ts
 * import * as Google from "effect-credentials/Google"
 * import { Layer } from "effect"
 *
 * const CredentialsLive = Google.layer(Google.make({ refreshToken: "r3fresh", clientId: "me", clientSecret: "s3cret" }))
 * console.log(Layer.isLayer(CredentialsLive))
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
  Credentials.layer(provider, { renewAhead: "225 seconds", ...engine })

/**
 * Credentials of {@link applicationDefault}.
 *
 * @example
 * ```ts
 * import * as Google from "effect-credentials/Google"
 * import { Layer } from "effect"
 *
 * const CredentialsLive = Google.layerApplicationDefault({ scopes: ["https://www.googleapis.com/auth/pubsub"] })
 * console.log(Layer.isLayer(CredentialsLive))
 * // true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerApplicationDefault = <Name extends string = "default">(
  options?: ApplicationDefaultOptions,
  engine?: Credentials.LayerOptions<Name>
): Layer.Layer<Credentials.Id<Name>, MissingCredentials | PartialCredentials | InvalidOption, Platform> =>
  Layer.unwrapEffect(Effect.map(applicationDefault(options), (provider) => layer(provider, engine)))
