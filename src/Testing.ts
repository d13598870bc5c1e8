/**
 * An authorization server and an API in memory, for testing code that needs tokens: no sockets, no waiting, no surprises.
 *
 * Give its `layer` to the code under test wherever an `HttpClient` is wanted. The server issues real tokens by the rules (client authentication, scopes,
 * expiry, refresh tokens that are used once, signed ID tokens), the API accepts those that are alive, both remember every request, and both
 * can be told to fail, to dawdle or to lose an answer. All time is the time of Effect's `Clock`: under `TestClock` a day passes at once.
 *
 * @example
 * ```ts
 * import * as AuthenticatedHttpClient from "effect-credentials/AuthenticatedHttpClient"
 * import * as ClientCredentials from "effect-credentials/ClientCredentials"
 * import * as Testing from "effect-credentials/Testing"
 * import { Effect, Layer } from "effect"
 *
 * const client = { clientId: "app", clientSecret: "s3cret" }
 * const server = Testing.authorizationServer({ clients: [client] })
 * const ApiLive = AuthenticatedHttpClient.layer({ origins: [server.api.url] }).pipe(
 *   Layer.provide(ClientCredentials.layer({ tokenEndpoint: server.tokenEndpoint.url, ...client })),
 *   Layer.provide(server.layer)
 * )
 * const call = Effect.flatMap(AuthenticatedHttpClient.AuthenticatedHttpClient, (http) => http.get(server.api.url))
 * server.api.answerNext({ status: 401 })
 * const { status } = await Effect.runPromise(Effect.provide(call, ApiLive))
 * console.log(status, server.api.requests.length, server.issued.length)
 * // 200 2 2
 * ```
 *
 * @module
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import type { HttpClientResponse } from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Equal from "effect/Equal"
import * as Inspectable from "effect/Inspectable"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Credentials from "./Credentials.ts"
import { RefreshError, type RefreshErrorReason } from "./CredentialsError.ts"
import * as Jose from "./internal/jose.ts"
import { leftHalf } from "./internal/leftHalf.ts"
import * as MemoryResponse from "./internal/memoryResponse.ts"
import * as PendingLogins from "./internal/pendingLogins.ts"
import * as Pkce from "./internal/pkce.ts"
import * as Provider from "./Provider.ts"
import * as Token from "./Token.ts"

/**
 * A request that reached the server. Printing one shows no secret: only well-known harmless headers and parameters are spelled out.
 *
 * @category models
 * @since 0.1.0
 */
export interface SeenRequest {
  /** When it arrived. */
  readonly at: DateTime.Utc
  /** `GET`, `POST`, … */
  readonly method: string
  /** The whole URL, query included. */
  readonly url: string
  /** Its headers, names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** The members of a form or JSON body; several values of one name are joined by a space. */
  readonly parameters: Readonly<Record<string, string>>
  /** The body as text. */
  readonly body: Redacted.Redacted
}

/**
 * What to answer. With a `status`, `json` or `text` nothing is processed and just that is answered; with none of them the
 * server does its work, and the rest says what becomes of its answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  /** The status code. Default: 200. */
  readonly status?: number | undefined
  /** The body, sent as `application/json`. */
  readonly json?: unknown
  /** The body as it is; say what it is with a `content-type` header. */
  readonly text?: string | undefined
  /** Headers, beside those the answer has anyway. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** How much later the answer comes; `Infinity`: never. The request is processed when it arrives. Default: 0. */
  readonly delay?: Duration.DurationInput | undefined
  /**
   * What is lost on the way: the `"request"` (the connection is refused, nothing is processed), the `"answer"` (the request is
   * processed, then the connection breaks) or the second half of the `"body"`. Default: nothing.
   */
  readonly lost?: "request" | "answer" | "body" | undefined
}

/**
 * A place that answers requests, remembers them, and can be told what to answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface TestEndpoint {
  /** Where it is. */
  readonly url: string
  /** Every request made to it, the latest last, lost ones included. */
  readonly requests: ReadonlyArray<SeenRequest>
  /** Says what becomes of the next requests, one answer each, in addition to those said before. */
  readonly answerNext: (...answers: ReadonlyArray<Answer>) => void
  /** Says what becomes of every request from now on for which {@link answerNext} has nothing; without an answer: back to normal. */
  readonly answerAlways: (answer?: Answer) => void
}

/**
 * A client that is registered at the server.
 *
 * @category models
 * @since 0.1.0
 */
export interface TestClient {
  /** Its identifier. */
  readonly clientId: string
  /** Its secret, sent by HTTP Basic or in the body. Default: none, a public client. */
  readonly clientSecret?: string | Redacted.Redacted | undefined
}

/**
 * What to issue. {@link TestServer.login} and the functions in `grants` take it.
 *
 * @category models
 * @since 0.1.0
 */
export interface IssueOptions {
  /** The client that may use the refresh token. Default: the one that asks; any, if none is known. */
  readonly clientId?: string | undefined
  /** Who logged in. Default: the client. */
  readonly subject?: string | undefined
  /** What it allows. Default: what the request asks for, within the server's `scopes`. */
  readonly scope?: ReadonlyArray<string> | undefined
  /** How long the access token lives. Default: as the server's. */
  readonly lifetime?: Duration.DurationInput | undefined
  /** Whether there is a refresh token. Default: as the server's `refreshTokens`. */
  readonly refreshToken?: boolean | undefined
  /**
   * Claims of the ID token, in addition to its own or in their place, `nonce` for one; `undefined` leaves one out. `false`: there is no ID token. Default: where there is a `subject` and the scope has
   * `openid`, `iss`, `sub`, `aud`, `iat`, `exp` and `at_hash`.
   */
  readonly idToken?: Readonly<Record<string, unknown>> | false | undefined
  /** Further members of the answer, over those of the server's `extra`. Default: none. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined
}

/**
 * What an access token says: who may do what.
 *
 * @category models
 * @since 0.1.0
 */
export interface Access {
  /** The client it was issued to, if known. */
  readonly clientId: string | undefined
  /** Who logged in; the client where nobody did. */
  readonly subject: string | undefined
  /** What it allows. */
  readonly scope: ReadonlyArray<string>
}

/**
 * How the server behaves.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The issuer; the endpoints are below it. Default: `https://id.test`. */
  readonly issuer?: string | undefined
  /** Who may ask for tokens. Default: anybody, with any secret. */
  readonly clients?: ReadonlyArray<TestClient> | undefined
  /** How long access tokens live. Default: 1 hour. */
  readonly lifetime?: Duration.DurationInput | undefined
  /**
   * Which scopes may be granted, all of them to who asks for none; others are left out, and if none is left the request is
   * refused. Default: any.
   */
  readonly scopes?: ReadonlyArray<string> | undefined
  /** Whether answers hold a refresh token. Default: all but those to the client-credentials grant (RFC 6749 §4.4.3). */
  readonly refreshTokens?: boolean | undefined
  /** How long a refresh token lives. Default: for ever. */
  readonly refreshTokenLifetime?: Duration.DurationInput | undefined
  /** Whether a refresh token can be used only once and is replaced by the next. Default: true. */
  readonly rotation?: boolean | undefined
  /** For how long a used refresh token still works, for clients whose answer was lost. Default: 0. */
  readonly reuseWindow?: Duration.DurationInput | undefined
  /** What access tokens look like: `"opaque"`, or `"jwt"` with the usual claims and a signature that is none. Default: opaque. */
  readonly format?: "opaque" | "jwt" | undefined
  /** The text of the nth token of a kind. Default: `at-1`, `at-2`, …, `rt-1`, …; in a JWT it is the claim `jti`. */
  readonly mint?: ((kind: "access" | "refresh", nth: number) => string) | undefined
  /** Members of every token answer, in addition to its own or in their place; `undefined` leaves one out. Default: none. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined
  /** Members of the discovery document, in addition to its own or in their place. Default: none. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
  /**
   * How to answer other grants, by `grant_type`; `issue` makes the answer that holds a token. The client has been authenticated.
   * Default: `client_credentials`, `refresh_token`, and those of people, `authorization_code` and `urn:ietf:params:oauth:grant-type:device_code`, are known. Who answers
   * one of the latter has to do the rest of such logins too, in `routes`.
   */
  readonly grants?:
    | Readonly<
        Record<
          string,
          (request: SeenRequest, issue: (options?: IssueOptions) => Effect.Effect<Answer>) => Effect.Effect<Answer>
        >
      >
    | undefined
  /** The origin of the protected API. Default: `https://api.test`. */
  readonly apiOrigin?: string | undefined
  /** What the API answers to a request with a live token. Default: 200 and JSON that says what the token says. */
  readonly api?: ((request: SeenRequest, access: Access) => Effect.Effect<Answer>) | undefined
  /** Answers what no endpoint does, on any origin, ahead of the API's protection; `undefined`: not this one. Default: nothing. */
  readonly routes?: ((request: SeenRequest) => Effect.Effect<Answer> | undefined) | undefined
}

/**
 * An authorization server and an API in memory.
 *
 * @category models
 * @since 0.1.0
 */
export interface TestServer {
  /** The HttpClient that reaches the server and the API, and nothing else. */
  readonly client: HttpClient.HttpClient
  /** {@link TestServer.client} as a layer. */
  readonly layer: Layer.Layer<HttpClient.HttpClient>
  /** The issuer, as in the discovery document. */
  readonly issuer: string
  /** Issues tokens (RFC 6749). */
  readonly tokenEndpoint: TestEndpoint
  /** Begins logins with a second device (RFC 8628); user codes are `TEST-0001`, `TEST-0002`, … and live ten minutes, polls come every five seconds. */
  readonly deviceAuthorizationEndpoint: TestEndpoint
  /** Takes tokens back (RFC 7009). */
  readonly revocationEndpoint: TestEndpoint
  /** Says what a token is worth (RFC 7662). */
  readonly introspectionEndpoint: TestEndpoint
  /** Says where the endpoints are, at the paths of OpenID Connect Discovery and of RFC 8414. */
  readonly discovery: TestEndpoint
  /** Publishes the key that ID tokens are signed with (RFC 7517). */
  readonly keys: TestEndpoint
  /** The protected API: everything on its origin. */
  readonly api: TestEndpoint
  /** Every request to whatever origin, the latest last. */
  readonly requests: ReadonlyArray<SeenRequest>
  /** Every token issued, the latest last. */
  readonly issued: ReadonlyArray<Token.Token>
  /** Every token that a client gave back, the latest last. */
  readonly revoked: ReadonlyArray<Redacted.Redacted>
  /** How often a used refresh token was offered again, and with that ended a session. */
  readonly reuseDetected: number
  /** A token as if somebody had just logged in, with a refresh token unless told otherwise. */
  readonly login: (options?: IssueOptions) => Effect.Effect<Token.Token>
  /**
   * Somebody logs in and agrees: at the address where a program sends the browser, or with the user code that a program shows. Gives the address that the browser ends
   * at, which for a browser's login is the program's own. The person is called `somebody` unless `subject` says otherwise. A login that does not wait there is a defect: the test
   * is wrong.
   */
  readonly approve: (login: string, person?: IssueOptions) => Effect.Effect<string>
  /** Somebody says no, otherwise as {@link TestServer.approve}. */
  readonly deny: (login: string) => Effect.Effect<string>
  /**
   * A browser with somebody in front of it who agrees to every login: for the option `open`. Where the server sends it on to the program's own address it goes there by
   * itself, over a real socket of this machine.
   */
  readonly browser: (person?: IssueOptions) => (url: string) => Effect.Effect<void>
  /** Makes every access token invalid at once; refresh tokens go on. */
  readonly revokeAccessTokens: () => void
  /** Ends every session at once: no token issued so far works any more. */
  readonly endSessions: () => void
}

/** What one login led to: the family that ends when one of its refresh tokens is stolen. */
interface Session extends Access {
  readonly lifetime: Duration.DurationInput
  readonly refreshable: boolean
  readonly extra: Readonly<Record<string, unknown>>
  readonly idToken: Readonly<Record<string, unknown>> | false
  ended: boolean
}

interface IssuedAccess extends Access {
  readonly session: Session
  readonly issuedAt: number
  readonly expiresAt: number
  revoked: boolean
}

interface IssuedRefresh {
  readonly session: Session
  readonly expiresAt: number
  usedAt: number | undefined
}

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

const harmless = new Set([
  ...["accept", "content-length", "content-type", "retry-after", "user-agent", "traceparent", "b3"],
  ...["grant_type", "client_id", "scope", "audience", "resource", "token_type_hint", "client_assertion_type"],
  ...["subject_token_type", "actor_token_type", "requested_token_type", "redirect_uri", "code_challenge_method"]
])

/** Looks like the record it is made from, and prints without what may be secret. */
const discreet = (record: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.assign(Object.create(discreetProto), record)

const discreetProto = {
  ...Inspectable.BaseProto,
  toJSON(this: Readonly<Record<string, string>>) {
    return Object.fromEntries(
      Object.entries(this).map(([name, value]) => [name, harmless.has(name) ? value : "<redacted>"])
    )
  }
}

const seenProto = {
  ...Inspectable.BaseProto,
  toJSON(this: SeenRequest) {
    const { origin, pathname } = new URL(this.url)
    return { ...this, url: origin + pathname, at: DateTime.formatIso(this.at) }
  }
}

const textOf = (body: HttpClientRequest["body"]): Effect.Effect<string, unknown> => {
  switch (body._tag) {
    case "Empty":
      return Effect.succeed("")
    case "Uint8Array":
      return Effect.succeed(new TextDecoder().decode(body.body))
    case "Stream":
      return Stream.mkString(Stream.decodeText(body.stream))
    case "FormData":
      return Effect.succeed(
        new URLSearchParams(Array.from(body.formData, ([name, value]) => [name, String(value)])).toString()
      )
    case "Raw":
      return Effect.succeed(
        body.body instanceof Uint8Array ? new TextDecoder().decode(body.body) : String(body.body ?? "")
      )
  }
}

/** The members of a body, and the names that came more than once. */
const parametersOf = (contentType: string, text: string) => {
  const parameters: Record<string, string> = {}
  const repeated = new Set<string>()
  const add = (name: string, value: unknown) => {
    const printed = typeof value === "object" ? JSON.stringify(value) : String(value)
    if (Object.hasOwn(parameters, name)) {
      repeated.add(name)
      parameters[name] += ` ${printed}`
    } else {
      parameters[name] = printed
    }
  }
  if (/^(application\/x-www-form-urlencoded|multipart\/form-data)\b/i.test(contentType)) {
    new URLSearchParams(text).forEach((value, name) => add(name, value))
  } else if (/^application\/([\w.-]+\+)?json\b/i.test(contentType)) {
    for (const [name, value] of Object.entries(members(text))) {
      for (const one of Array.isArray(value) ? value : [value]) add(name, one)
    }
  }
  return { parameters, repeated }
}

const members = (text: string): object => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null ? value : {}
  } catch {
    return {}
  }
}

/** Undoes what RFC 6749 §2.3.1 does to a client's id and secret. */
const formDecoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text.replaceAll("+", " "))
  } catch {
    return undefined
  }
}

const words = (text: string | undefined): ReadonlyArray<string> => (text ?? "").split(" ").filter((word) => word !== "")

/** How runtimes' own `fetch` fails, down to the code that tells whether anything was sent. */
const transportError = (request: HttpClientRequest, code: string, description: string) =>
  new HttpClientError.RequestError({
    request,
    reason: "Transport",
    description,
    cause: new TypeError("fetch failed", { cause: Object.assign(new Error(description), { code }) })
  })

const isComplete = (answer: Answer): boolean =>
  answer.status !== undefined || answer.json !== undefined || answer.text !== undefined

/**
 * An OAuth error as an authorization server answers it (RFC 6749 §5.2): status 401 for `invalid_client`, 400 for all others.
 *
 * @example
 * ```ts
 * import * as Testing from "effect-credentials/Testing"
 *
 * const server = Testing.authorizationServer()
 * server.tokenEndpoint.answerNext(Testing.refuse("invalid_grant", "the password has changed"))
 * console.log(Testing.refuse("invalid_client").status)
 * // 401
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const refuse = (code: string, description?: string): Answer => ({
  status: code === "invalid_client" ? 401 : 400,
  json: { error: code, error_description: description }
})

/**
 * An authorization server and an API in memory. Each call makes new ones, which share nothing with others.
 *
 * **Details** – the token endpoint takes forms and JSON, and knows the grants `client_credentials`, `refresh_token`, `authorization_code` (PKCE by `S256`; a code is good for a
 * minute, once) and that of RFC 8628; say in `grants` how to answer others. People decide about logins when the test says so: `approve`, `deny`, `browser`.
 * Clients prove themselves by HTTP Basic or in the body. A used refresh token that is offered again ends
 * its whole session (RFC 9700 §4.14.2). The API wants `Authorization: Bearer` and answers 401 with `WWW-Authenticate` otherwise (RFC 6750 §3).
 * A request to an origin that is not known fails as a name does that cannot be found.
 *
 * @example
 * ```ts
 * import * as Testing from "effect-credentials/Testing"
 * import { HttpClient, HttpClientRequest } from "@effect/platform"
 * import { Effect, Redacted } from "effect"
 *
 * const server = Testing.authorizationServer({ mint: (kind, nth) => `${kind}-token-${nth}` })
 * const program = Effect.gen(function*() {
 *   const token = yield* server.login({ subject: "ada", scope: ["read"] })
 *   const request = HttpClientRequest.bearerToken(HttpClientRequest.get(server.api.url), token.accessToken)
 *   console.log(yield* Effect.flatMap(HttpClient.execute(request), (response) => response.json))
 *   server.revokeAccessTokens()
 *   console.log((yield* HttpClient.execute(request)).status, server.api.requests.length)
 * })
 * Effect.runSync(program.pipe(Effect.provide(server.layer)))
 * // { subject: 'ada', scope: [ 'read' ] }
 * // 401 2
 * ```
 *
 * @example
 * ```ts
 * import * as AuthorizationCode from "effect-credentials/AuthorizationCode"
 * import * as Testing from "effect-credentials/Testing"
 * import { Effect } from "effect"
 *
 * const server = Testing.authorizationServer()
 * const web = { issuer: server.issuer, clientId: "shop", scope: ["read"], redirectUri: "https://shop.example/callback" }
 * const program = Effect.gen(function*() {
 *   const login = yield* AuthorizationCode.start(web)
 *   const callback = yield* server.approve(login.url, { subject: "ada" })
 *   const token = yield* AuthorizationCode.exchangeCode(web, login, callback)
 *   console.log(new URL(callback).pathname, token.scope)
 * })
 * await Effect.runPromise(Effect.provide(program, server.layer))
 * // /callback [ 'read' ]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const authorizationServer = (options: Options = {}): TestServer => {
  const issuer = options.issuer ?? "https://id.test"
  const base = issuer.replace(/\/$/, "")
  const apiOrigin = new URL(options.apiOrigin ?? "https://api.test").origin
  const reuseWindow = Duration.toMillis(options.reuseWindow ?? 0)
  const mint = options.mint ?? ((kind, nth) => `${kind === "access" ? "at" : "rt"}-${nth}`)

  const isOwn = (grantType: string) => Object.hasOwn(options.grants ?? {}, grantType)
  const authorizationUrl = `${base}/authorize`
  const devicePage = `${base}/device`
  const devices = PendingLogins.devices<IssueOptions>()
  const codes = PendingLogins.codes<Session>()

  const accessTokens = new Map<string, IssuedAccess>()
  const refreshTokens = new Map<string, IssuedRefresh>()
  const requests: Array<SeenRequest> = []
  const issued: Array<Token.Token> = []
  const revoked: Array<Redacted.Redacted> = []
  let accessTokensIssued = 0
  let refreshTokensIssued = 0
  let reuseDetected = 0

  const isLive = (access: IssuedAccess, now: number) =>
    !access.revoked && !access.session.ended && now < access.expiresAt

  const accessText = (access: IssuedAccess): string => {
    const id = mint("access", ++accessTokensIssued)
    if (options.format !== "jwt") return id
    const part = (claims: object) => Encoding.encodeBase64Url(JSON.stringify(claims))
    const claims = {
      iss: issuer,
      sub: access.subject,
      client_id: access.clientId,
      scope: access.scope.join(" "),
      iat: Math.floor(access.issuedAt / 1000),
      exp: Math.floor(access.expiresAt / 1000),
      jti: id
    }
    return `${part({ typ: "at+jwt", alg: "RS256" })}.${part(claims)}.${Encoding.encodeBase64Url("none")}`
  }

  // One key for all, made when the first is needed: without ID tokens nothing here waits for anything.
  const signing = Effect.orDie(Jose.keyPair(undefined, "ES256"))
  let pair: Promise<Jose.KeyPair> | undefined
  const key = Effect.promise(() => (pair ??= Effect.runPromise(signing)))

  const published: Effect.Effect<Answer> = Effect.map(key, ({ publicKey, thumbprint }) => ({
    json: { keys: [{ ...publicKey, kid: thumbprint, alg: "ES256", use: "sig" }] }
  }))

  /** Who logged in, as a token (OpenID Connect Core §2). */
  const idTokenOf = (session: Session, accessToken: string, now: number): Effect.Effect<string> =>
    Effect.gen(function* () {
      const { signer, thumbprint } = yield* key
      const iat = Math.floor(now / 1000)
      const claims = {
        iss: issuer,
        sub: session.subject,
        aud: session.clientId,
        iat,
        exp: iat + 3600,
        at_hash: yield* leftHalf("SHA-256", accessToken),
        ...session.idToken
      }
      return yield* Effect.orDie(Jose.sign(signer, { kid: thumbprint }, claims))
    })

  /** Issues tokens of a session: as a value, and as the answer that says so. */
  const issue = (
    session: Session,
    now: number,
    scope: ReadonlyArray<string>,
    withRefreshToken: boolean
  ): Effect.Effect<{ readonly token: Token.Token; readonly answer: Answer }> =>
    Effect.gen(function* () {
      const lifetime = Duration.toMillis(session.lifetime)
      const access: IssuedAccess = {
        clientId: session.clientId,
        subject: session.subject,
        scope,
        session,
        issuedAt: now,
        expiresAt: now + lifetime,
        revoked: false
      }
      const accessToken = accessText(access)
      accessTokens.set(accessToken, access)
      let refreshToken: string | undefined
      if (withRefreshToken) {
        refreshToken = mint("refresh", ++refreshTokensIssued)
        const expiresAt = now + Duration.toMillis(options.refreshTokenLifetime ?? Infinity)
        refreshTokens.set(refreshToken, { session, expiresAt, usedAt: undefined })
      }
      const idToken =
        session.idToken === false || session.subject === undefined || !scope.includes("openid")
          ? undefined
          : yield* idTokenOf(session, accessToken, now)
      const token = Token.make({
        accessToken: Redacted.make(accessToken),
        issuedAt: DateTime.unsafeMake(now),
        expiresAt: Number.isFinite(lifetime) ? Option.some(DateTime.unsafeMake(now + lifetime)) : Option.none(),
        refreshToken: Option.map(Option.fromNullable(refreshToken), Redacted.make),
        idToken: Option.map(Option.fromNullable(idToken), Redacted.make),
        scope
      })
      issued.push(token)
      const json = {
        access_token: accessToken,
        token_type: "Bearer",
        expires_in: Number.isFinite(lifetime) ? lifetime / 1000 : undefined,
        refresh_token: refreshToken,
        id_token: idToken,
        scope: scope.length === 0 ? undefined : scope.join(" "),
        ...session.extra
      }
      return { token, answer: { json, headers: { "cache-control": "no-store" } } }
    })

  /** Issues the first tokens of a session. */
  const open = (session: Session) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => issue(session, now, session.scope, session.refreshable))

  const begin = (from: IssueOptions | undefined, defaults: Parameters<typeof sessionOf>[1]) =>
    Effect.suspend(() => open(sessionOf(from ?? {}, defaults)))

  /** The session of a person. */
  const sessionWith = (
    person: IssueOptions,
    { clientId, scope }: PendingLogins.Asked,
    nonce?: string | undefined
  ): Session =>
    sessionOf(
      {
        ...person,
        subject: person.subject ?? "somebody",
        idToken: person.idToken === false ? false : { ...(nonce === undefined ? {} : { nonce }), ...person.idToken }
      },
      { clientId, scope, isLogin: true }
    )

  const sessionOf = (
    from: IssueOptions,
    defaults: { readonly clientId: string | undefined; readonly scope: ReadonlyArray<string>; isLogin: boolean }
  ): Session => {
    const clientId = from.clientId ?? defaults.clientId
    return {
      clientId,
      subject: from.subject ?? clientId,
      scope: from.scope ?? defaults.scope,
      lifetime: from.lifetime ?? options.lifetime ?? "1 hour",
      refreshable: from.refreshToken ?? options.refreshTokens ?? defaults.isLogin,
      extra: { ...options.extra, ...from.extra },
      idToken: from.idToken ?? (from.subject === undefined ? false : {}),
      ended: false
    }
  }

  /** The client's id, or why the request is refused. */
  const authenticate = (
    request: SeenRequest,
    parameter: (name: string) => string | undefined
  ): Either.Either<string | undefined, Answer> => {
    const basic = /^basic +(\S+)$/i.exec(request.headers["authorization"] ?? "")?.[1]
    const unknown: Answer = {
      ...refuse("invalid_client"),
      headers: basic === undefined ? {} : { "www-authenticate": `Basic realm="${issuer}"` }
    }
    let clientId = parameter("client_id")
    let secret = parameter("client_secret")
    if (basic !== undefined) {
      if (secret !== undefined || parameter("client_assertion") !== undefined) {
        return Either.left(refuse("invalid_request", "the client authenticates in two ways at once"))
      }
      const pair = Either.getOrElse(Encoding.decodeBase64String(basic), () => "")
      const colon = pair.indexOf(":")
      const basicId = colon < 0 ? undefined : formDecoded(pair.slice(0, colon))
      if (basicId === undefined || (clientId !== undefined && clientId !== basicId)) return Either.left(unknown)
      clientId = basicId
      secret = formDecoded(pair.slice(colon + 1))
    }
    if (options.clients === undefined) return Either.right(clientId)
    const client = options.clients.find((one) => one.clientId === clientId)
    if (client === undefined) return Either.left(unknown)
    const isProven = Redacted.isRedacted(client.clientSecret)
      ? secret !== undefined && Equal.equals(client.clientSecret, Redacted.make(secret))
      : (client.clientSecret ?? "") === (secret ?? "")
    return isProven ? Either.right(clientId) : Either.left(unknown)
  }

  /** What may be granted of what is asked for. None: nothing of it. */
  const grantable = (asked: ReadonlyArray<string>): Option.Option<ReadonlyArray<string>> => {
    if (asked.length === 0 || options.scopes === undefined) return Option.some(options.scopes ?? asked)
    const scope = asked.filter((one) => options.scopes?.includes(one))
    return scope.length === 0 ? Option.none() : Option.some(scope)
  }

  const renew = (
    clientId: string | undefined,
    now: number,
    parameter: (name: string) => string | undefined
  ): Effect.Effect<Answer> => {
    const refreshToken = parameter("refresh_token")
    if (refreshToken === undefined) return Effect.succeed(refuse("invalid_request", "refresh_token is missing"))
    const found = refreshTokens.get(refreshToken)
    if (
      found === undefined ||
      found.session.ended ||
      now >= found.expiresAt ||
      (found.session.clientId !== undefined && found.session.clientId !== clientId)
    ) {
      return Effect.succeed(refuse("invalid_grant", "the refresh token is not valid"))
    }
    if (found.usedAt !== undefined && now - found.usedAt >= reuseWindow) {
      reuseDetected++
      found.session.ended = true
      return Effect.succeed(refuse("invalid_grant", "the refresh token was used before"))
    }
    const asked = words(parameter("scope"))
    if (asked.some((one) => !found.session.scope.includes(one))) return Effect.succeed(refuse("invalid_scope"))
    const scope = asked.length === 0 ? found.session.scope : asked
    const rotates = options.rotation ?? true
    if (rotates) found.usedAt ??= now
    return Effect.map(issue(found.session, now, scope, rotates), ({ answer }) => answer)
  }

  const beginDevice = (clientId: string, asked: string | undefined, now: number): Answer => {
    const scope = grantable(words(asked))
    if (Option.isNone(scope)) return refuse("invalid_scope")
    const { deviceCode, userCode } = devices.begin({ clientId, scope: scope.value }, now)
    return {
      json: {
        device_code: deviceCode,
        user_code: userCode,
        verification_uri: devicePage,
        verification_uri_complete: `${devicePage}?user_code=${userCode}`,
        expires_in: PendingLogins.deviceCodeLifetime,
        interval: PendingLogins.interval
      },
      headers: { "cache-control": "no-store" }
    }
  }

  /** Completes a login of a person, at the token endpoint. */
  const complete = (
    clientId: string,
    now: number,
    parameter: (name: string) => string | undefined
  ): Effect.Effect<Answer> =>
    Effect.gen(function* () {
      if (parameter("grant_type") === deviceGrant) {
        const outcome = devices.poll(parameter("device_code") ?? "", clientId, now)
        if (outcome._tag === "Refused") return refuse(outcome.code)
        const { decision } = outcome.login
        return (yield* open(sessionWith(decision?.agreed === true ? decision.person : {}, outcome.login))).answer
      }
      const verifier = parameter("code_verifier")
      const challenge = verifier === undefined ? undefined : yield* Pkce.challenge(Redacted.make(verifier))
      const from = { clientId, redirectUri: parameter("redirect_uri") ?? "", challenge }
      const outcome = codes.redeem(parameter("code") ?? "", from, now)
      if (outcome._tag === "Done") return (yield* open(outcome.login.session)).answer
      // A code that comes twice was stolen (RFC 6749 §4.1.2).
      if (outcome.spent !== undefined) outcome.spent.session.ended = true
      return refuse(outcome.code, "the authorization code is not valid for this client, redirect URI and verifier")
    })

  /** Somebody decides about a login; gives the address that the browser ends at. */
  const decide = (login: string, decision: PendingLogins.Decision<IssueOptions>): Effect.Effect<string> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const url = URL.canParse(login) ? new URL(login) : undefined
      const at = url === undefined ? undefined : url.origin + url.pathname
      if (url !== undefined && at === authorizationUrl) return authorize(url.searchParams, decision, now)
      const userCode = url === undefined ? login : at === devicePage ? url.searchParams.get("user_code") : undefined
      return typeof userCode === "string" && devices.decide(userCode, decision, now)
        ? Effect.succeed(devicePage)
        : Effect.dieMessage(`no login waits for a decision at ${at ?? login}: pass the address or the user code`)
    })

  /** The authorization endpoint, with somebody in front of it (RFC 6749 §4.1.2). */
  const authorize = (
    asked: URLSearchParams,
    decision: PendingLogins.Decision<IssueOptions>,
    now: number
  ): Effect.Effect<string> => {
    const parameter = (name: string) => asked.get(name) || undefined
    const clientId = parameter("client_id")
    const redirectUri = parameter("redirect_uri")
    const isKnown = options.clients === undefined || options.clients.some((one) => one.clientId === clientId)
    if (clientId === undefined || !isKnown || redirectUri === undefined || !URL.canParse(redirectUri)) {
      return Effect.dieMessage("the login names no client that is known, or no address to come back to")
    }
    const back = (answer: Readonly<Record<string, string>>) => {
      const to = new URL(redirectUri)
      const state = asked.get("state")
      for (const [name, value] of Object.entries(answer)) to.searchParams.set(name, value)
      if (state !== null) to.searchParams.set("state", state)
      if (options.metadata?.["authorization_response_iss_parameter_supported"] === true) {
        to.searchParams.set("iss", issuer)
      }
      return Effect.succeed(to.href)
    }
    const challenge = parameter("code_challenge")
    if (asked.get("response_type") !== "code") return back({ error: "unsupported_response_type" })
    if (challenge !== undefined && asked.get("code_challenge_method") !== "S256") {
      return back({ error: "invalid_request" })
    }
    const scope = grantable(words(parameter("scope")))
    if (Option.isNone(scope)) return back({ error: "invalid_scope" })
    if (!decision.agreed) return back({ error: "access_denied" })
    const wish = { clientId, scope: scope.value }
    const session = sessionWith(decision.person, wish, parameter("nonce"))
    return back({ code: codes.issue({ ...wish, redirectUri, challenge, session }, now) })
  }

  const approve = (login: string, person: IssueOptions = {}) => decide(login, { agreed: true, person })

  /** Answers at the endpoints that clients post to. */
  const process = (
    endpoint: TestEndpoint,
    request: SeenRequest,
    repeated: ReadonlySet<string>,
    now: number
  ): Effect.Effect<Answer> => {
    const parameter = (name: string) =>
      Object.hasOwn(request.parameters, name) && request.parameters[name] !== "" ? request.parameters[name] : undefined
    if (request.method !== "POST") return Effect.succeed({ status: 405, headers: { allow: "POST" } })
    if ([...repeated].some((name) => name !== "resource" && name !== "audience")) {
      return Effect.succeed(refuse("invalid_request", "a parameter came twice"))
    }
    const client = authenticate(request, parameter)
    if (Either.isLeft(client)) return Effect.succeed(client.left)
    const clientId = client.right
    const token = parameter("token") ?? ""
    const access = accessTokens.get(token)
    const refresh = refreshTokens.get(token)

    if (endpoint === introspectionEndpoint) {
      return Effect.succeed({ json: introspected(access, refresh, now) })
    }
    if (endpoint === revocationEndpoint) {
      if (token === "") return Effect.succeed(refuse("invalid_request", "token is missing"))
      revoked.push(Redacted.make(token))
      if (access !== undefined) access.revoked = true
      if (refresh !== undefined) refresh.session.ended = true
      return Effect.succeed({ status: 200 })
    }

    if (endpoint === deviceAuthorizationEndpoint) {
      return Effect.succeed(
        clientId === undefined ? refuse("invalid_client") : beginDevice(clientId, parameter("scope"), now)
      )
    }

    const grantType = parameter("grant_type")
    if (grantType === undefined) return Effect.succeed(refuse("invalid_request", "grant_type is missing"))
    const custom = Object.entries(options.grants ?? {}).find(([name]) => name === grantType)?.[1]
    if (custom === undefined && grantType === "refresh_token") return renew(clientId, now, parameter)
    if (custom === undefined && (grantType === deviceGrant || grantType === "authorization_code")) {
      return clientId === undefined ? Effect.succeed(refuse("invalid_client")) : complete(clientId, now, parameter)
    }
    if (custom === undefined && grantType !== "client_credentials") {
      return Effect.succeed(refuse("unsupported_grant_type"))
    }
    const scope = grantable(words(parameter("scope")))
    if (Option.isNone(scope)) return Effect.succeed(refuse("invalid_scope"))
    const grant = (isLogin: boolean, from?: IssueOptions): Effect.Effect<Answer> =>
      Effect.map(begin(from, { clientId, scope: scope.value, isLogin }), ({ answer }) => answer)
    if (custom !== undefined) return custom(request, (from) => grant(true, from))
    return clientId === undefined ? Effect.succeed(refuse("invalid_client")) : grant(false)
  }

  const introspected = (access: IssuedAccess | undefined, refresh: IssuedRefresh | undefined, now: number): object => {
    const seconds = (millis: number) => (Number.isFinite(millis) ? Math.floor(millis / 1000) : undefined)
    const described = ({ clientId, scope, subject }: Access) => ({
      active: true,
      client_id: clientId,
      sub: subject,
      scope: scope.length === 0 ? undefined : scope.join(" "),
      iss: issuer
    })
    if (access !== undefined && isLive(access, now)) {
      return {
        ...described(access),
        token_type: "Bearer",
        iat: seconds(access.issuedAt),
        exp: seconds(access.expiresAt)
      }
    }
    if (refresh !== undefined && !refresh.session.ended && refresh.usedAt === undefined && now < refresh.expiresAt) {
      return { ...described(refresh.session), exp: seconds(refresh.expiresAt) }
    }
    return { active: false }
  }

  const callApi = (request: SeenRequest, now: number): Effect.Effect<Answer> => {
    const token = /^bearer +(\S+)$/i.exec(request.headers["authorization"] ?? "")?.[1]
    const access = token === undefined ? undefined : accessTokens.get(token)
    if (access === undefined || !isLive(access, now)) {
      const challenge = token === undefined ? "Bearer" : `Bearer error="invalid_token"`
      return Effect.succeed({ status: 401, headers: { "www-authenticate": challenge } })
    }
    const { clientId, scope, subject } = access
    return (
      options.api?.(request, { clientId, scope, subject }) ?? Effect.succeed({ json: { clientId, subject, scope } })
    )
  }

  const metadata = (): Answer => ({
    json: {
      issuer,
      token_endpoint: tokenEndpoint.url,
      revocation_endpoint: revocationEndpoint.url,
      introspection_endpoint: introspectionEndpoint.url,
      jwks_uri: keys.url,
      ...(isOwn("authorization_code") ? {} : { authorization_endpoint: authorizationUrl }),
      ...(isOwn(deviceGrant) ? {} : { device_authorization_endpoint: deviceAuthorizationEndpoint.url }),
      response_types_supported: ["code"],
      code_challenge_methods_supported: ["S256"],
      grant_types_supported: [
        ...new Set([
          ...["client_credentials", "refresh_token", "authorization_code", deviceGrant],
          ...Object.keys(options.grants ?? {})
        ])
      ],
      token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post", "none"],
      ...options.metadata
    }
  })

  /** Remembers a request to an endpoint, and tells what was planned for it. */
  const arrivals = new Map<TestEndpoint, (request: SeenRequest) => Answer>()
  const endpoint = (url: string): TestEndpoint => {
    const seen: Array<SeenRequest> = []
    const next: Array<Answer> = []
    let always: Answer = {}
    const self: TestEndpoint = {
      url,
      requests: seen,
      answerNext: (...answers) => void next.push(...answers),
      answerAlways: (answer = {}) => void (always = answer)
    }
    arrivals.set(self, (request) => {
      seen.push(request)
      return next.shift() ?? always
    })
    return self
  }

  const tokenEndpoint = endpoint(`${base}/token`)
  const deviceAuthorizationEndpoint = endpoint(`${base}/device_authorization`)
  const revocationEndpoint = endpoint(`${base}/revoke`)
  const introspectionEndpoint = endpoint(`${base}/introspect`)
  const discovery = endpoint(`${base}/.well-known/openid-configuration`)
  const keys = endpoint(`${base}/keys`)
  const api = endpoint(apiOrigin)
  const { origin, pathname } = new URL(base)
  const endpoints = new Map([
    [tokenEndpoint.url, tokenEndpoint],
    [revocationEndpoint.url, revocationEndpoint],
    [introspectionEndpoint.url, introspectionEndpoint],
    [discovery.url, discovery],
    [keys.url, keys],
    ...(isOwn(deviceGrant) ? [] : [[deviceAuthorizationEndpoint.url, deviceAuthorizationEndpoint] as const]),
    [`${origin}/.well-known/oauth-authorization-server${pathname === "/" ? "" : pathname}`, discovery]
  ])

  const client = HttpClient.make((request, url) =>
    Effect.gen(function* () {
      const text = yield* Effect.mapError(textOf(request.body), () =>
        transportError(request, "ECONNABORTED", "the request's body failed")
      )
      const now = yield* Clock.currentTimeMillis
      const { parameters, repeated } = parametersOf(request.headers["content-type"] ?? "", text)
      const seen: SeenRequest = Object.assign(Object.create(seenProto), {
        at: DateTime.unsafeMake(now),
        method: request.method,
        url: url.href,
        headers: discreet({ ...request.headers }),
        parameters: discreet(parameters),
        body: Redacted.make(text)
      })
      requests.push(seen)
      const place = endpoints.get(url.origin + url.pathname) ?? (url.origin === apiOrigin ? api : undefined)
      const plan = (place === undefined ? undefined : arrivals.get(place)?.(seen)) ?? {}

      const answered = (): Effect.Effect<Answer, HttpClientError.RequestError> => {
        if (isComplete(plan)) return Effect.succeed(plan)
        if (place === discovery) return Effect.succeed(metadata())
        if (place === keys) return published
        if (place !== undefined && place !== api) return process(place, seen, repeated, now)
        const routed = options.routes?.(seen)
        if (routed !== undefined) return routed
        if (place === api) return callApi(seen, now)
        return url.origin === origin
          ? Effect.succeed({ status: 404 })
          : Effect.fail(transportError(request, "ENOTFOUND", `nothing answers at ${url.origin}`))
      }
      const answer = plan.lost === "request" ? plan : yield* answered()
      const lost = plan.lost ?? answer.lost
      yield* pause(plan.delay ?? answer.delay)
      if (lost === "request") return yield* transportError(request, "ECONNREFUSED", "the connection was refused")
      if (lost === "answer") {
        return yield* transportError(request, "ECONNRESET", "the connection was closed before the answer came")
      }
      return respond(request, { ...answer, headers: { ...answer.headers, ...plan.headers } }, lost === "body")
    })
  )

  return {
    client,
    layer: Layer.succeed(HttpClient.HttpClient, client),
    issuer,
    tokenEndpoint,
    deviceAuthorizationEndpoint,
    revocationEndpoint,
    introspectionEndpoint,
    discovery,
    keys,
    api,
    requests,
    issued,
    revoked,
    get reuseDetected() {
      return reuseDetected
    },
    login: (from) => Effect.map(begin(from, { clientId: undefined, scope: [], isLogin: true }), ({ token }) => token),
    approve,
    deny: (login) => decide(login, { agreed: false }),
    browser: (person) => (url) =>
      Effect.flatMap(approve(url, person), (end) =>
        end === devicePage ? Effect.void : Effect.asVoid(Effect.forkDaemon(Effect.ignore(visit(end))))
      ),
    revokeAccessTokens: () => accessTokens.forEach((access) => void (access.revoked = true)),
    endSessions: () => accessTokens.forEach((access) => void (access.session.ended = true))
  }
}

/**
 * What test credentials are like.
 *
 * @category models
 * @since 0.1.0
 */
export interface CredentialsOptions<Name extends string = "default"> extends Credentials.LayerOptions<Name> {
  /** The provider's name in errors, spans and metrics. Default: `Testing`. */
  readonly name?: string | undefined
  /** How long a token lives; `Infinity`: its expiry is unknown. Default: 1 hour. */
  readonly lifetime?: Duration.DurationInput | undefined
  /** What tokens allow. Default: nothing is said. */
  readonly scope?: ReadonlyArray<string> | undefined
  /** The text of the nth token. Default: `test-token-1`, `test-token-2`, … */
  readonly mint?: ((nth: number) => string) | undefined
  /** How long it takes to obtain one, or to fail. Default: 0. */
  readonly delay?: Duration.DurationInput | undefined
}

/**
 * Credentials for a test, and what the test does with them.
 *
 * @category models
 * @since 0.1.0
 */
export interface TestCredentials<Name extends string = "default"> {
  /** Credentials that ask nobody. Each time the layer is built they start anew; what is remembered and planned here is shared. */
  readonly layer: Layer.Layer<Credentials.Id<Name>>
  /** What every acquisition was asked for, the latest last, those that failed included. */
  readonly acquisitions: ReadonlyArray<Provider.Need>
  /** Every token issued, the latest last. */
  readonly issued: ReadonlyArray<Token.Token>
  /** The next acquisitions fail, one reason each, in addition to those said before. */
  readonly failNext: (...reasons: ReadonlyArray<RefreshErrorReason>) => void
  /** Every acquisition from now on fails for which {@link failNext} has nothing; without a reason: back to normal. */
  readonly failAlways: (reason?: RefreshErrorReason) => void
  /** The token held is worth nothing from now on: whoever asks next waits for another, whatever failed before. Time stays as it is. */
  readonly expire: Effect.Effect<void>
}

/**
 * Credentials for tests of code that needs a token and does not care where it comes from. Each call makes new ones; for tests that look at the requests
 * too use {@link authorizationServer}.
 *
 * **Details** – everything but the server is as in production: one flight for all callers, early renewals, the pauses after a failure. What is left to chance there is not here:
 * tokens are numbered, and an early renewal is due exactly when its window opens, a minute before an hour is over. Under `TestClock` nothing happens until the test moves the clock.
 *
 * **Gotchas** – an early renewal happens behind the caller who finds it due, who is given the token held; a failure after which trying again cannot help is given to callers for the
 * next 30 seconds without another acquisition, as in production.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as Testing from "effect-credentials/Testing"
 * import { Effect, Redacted, TestClock, TestContext } from "effect"
 *
 * const test = Testing.credentials({ lifetime: "1 hour" })
 * const program = Effect.gen(function*() {
 *   const { token } = yield* Credentials.Credentials
 *   console.log(Redacted.value((yield* token).accessToken))
 *   yield* TestClock.adjust("2 hours")
 *   test.failNext({ _tag: "Interaction", kind: "Denied" })
 *   console.log((yield* Effect.flip(token)).message, test.acquisitions.length)
 * })
 * await Effect.runPromise(program.pipe(Effect.provide(test.layer), Effect.provide(TestContext.TestContext)))
 * // test-token-1
 * // Testing: the login was denied; start it again 2
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const credentials = <Name extends string = "default">(
  options: CredentialsOptions<Name> = {}
): TestCredentials<Name> => {
  const name = options.name ?? "Testing"
  const tag = options.tag ?? (Credentials.Credentials as Context.Tag<any, Credentials.Credentials>)
  const lifetime = Duration.decode(options.lifetime ?? "1 hour")
  const mint = options.mint ?? ((nth) => `test-token-${nth}`)
  const acquisitions: Array<Provider.Need> = []
  const issued: Array<Token.Token> = []
  const next: Array<RefreshErrorReason> = []
  const running = new Set<Credentials.Credentials>()
  let always: RefreshErrorReason | undefined

  const provider = Provider.make({
    name,
    // What takes no time needs no limit, and a test clock has one timer less to think of.
    ...(options.delay === undefined ? { timeLimit: Duration.infinity } : {}),
    acquire: (need) =>
      Effect.gen(function* () {
        acquisitions.push(need)
        const reason = next.shift() ?? always
        yield* pause(options.delay)
        if (reason !== undefined) return yield* new RefreshError({ provider: name, reason })
        const issuedAt = yield* DateTime.now
        const token = Token.make({
          accessToken: Redacted.make(mint(issued.length + 1)),
          issuedAt,
          expiresAt: Duration.isFinite(lifetime)
            ? Option.some(DateTime.addDuration(issuedAt, lifetime))
            : Option.none(),
          scope: options.scope ?? []
        })
        issued.push(token)
        return token
      })
  })

  const made = Effect.acquireRelease(
    Effect.tap(Effect.withRandom(Credentials.make(provider, options), Random.fixed([0])), (self) =>
      Effect.sync(() => running.add(self))
    ),
    (self) => Effect.sync(() => running.delete(self))
  )

  return {
    layer: Layer.scoped(tag, Effect.orDie(made)),
    acquisitions,
    issued,
    failNext: (...reasons) => void next.push(...reasons),
    failAlways: (reason) => void (always = reason),
    expire: Effect.suspend(() => Effect.orDie(Effect.forEach(running, ({ forget }) => forget, { discard: true })))
  }
}

/**
 * A layer of credentials for tests that need a token and nothing else. To expire it, to let renewals fail or to count them, use {@link credentials}.
 *
 * @example
 * ```ts
 * import * as Credentials from "effect-credentials/Credentials"
 * import * as Status from "effect-credentials/Status"
 * import * as Testing from "effect-credentials/Testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const { status, token } = yield* Credentials.Credentials
 *   yield* token
 *   console.log(Status.format(yield* status))
 * })
 * Effect.runSync(program.pipe(Effect.provide(Testing.layerTest())))
 * // Testing: fresh, expires in 1h, next renewal in 59m
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerTest = <Name extends string = "default">(
  options?: CredentialsOptions<Name>
): Layer.Layer<Credentials.Id<Name>> => Layer.suspend(() => credentials(options).layer)

/** What a browser does: nobody who sent it there waits for the page, or takes it away again. */
const visit = (url: string): Effect.Effect<string, HttpClientError.HttpClientError> =>
  Effect.gen(function* () {
    const client = HttpClient.withTracerPropagation(yield* HttpClient.HttpClient, false)
    return yield* Effect.flatMap(client.get(url), (response) => response.text)
  }).pipe(Effect.provide(FetchHttpClient.layer))

const pause = (delay: Duration.DurationInput = 0): Effect.Effect<void> => {
  const duration = Duration.decode(delay)
  if (!Duration.isFinite(duration)) return Effect.never
  return Duration.toMillis(duration) === 0 ? Effect.void : Effect.sleep(duration)
}

const respond = (request: HttpClientRequest, answer: Answer, isCutOff: boolean): HttpClientResponse =>
  MemoryResponse.make(request, {
    status: answer.status ?? 200,
    headers: Headers.fromInput({
      ...(answer.json === undefined ? {} : { "content-type": "application/json" }),
      ...answer.headers
    }),
    text: answer.json === undefined ? answer.text : JSON.stringify(answer.json),
    isCutOff
  })
