/**
 * An HttpClient that carries credentials: to the origins you list, and nowhere else.
 *
 * Each request to a listed origin gets a token that is fit for use. A 401 renews that token and sends the request once more. Everything
 * else is the client you gave: base URLs, retries, cookies, tracing and generated clients work above and below it as usual.
 *
 * **Details** – whether an address is listed is decided on the final URL, just before it is sent, by comparing parsed
 * origins. A request to any other origin goes out as it is, and nothing is acquired for it; so does one on which you set the header
 * yourself. The header is read again for every attempt that a retry policy of yours makes. Redirects are followed within the listed
 * origins, ten at most, by the rules of the Fetch standard; one that leads elsewhere is returned to you as the 3xx that it is.
 * A 401 that asks for another login than the one behind the token (RFC 9470, `insufficient_user_authentication`) renews nothing and fails with `ReauthenticationRequired`, which
 * says what the login has to be like; one that asks for another scope is yours, as every 403 is: `Challenge.refusalIn` reads it.
 * All this holds for a client that makes errors of statuses (`HttpClient.filterStatusOk` below it), too: only in the end its error is what you get.
 *
 * **Gotchas** – the client given to it must not follow redirects by itself (`HttpClient.followRedirects` below it does, with all
 * headers). Where one did, requests fail with `CrossOriginRedirect`. Clients that fetch are told not to; where you wrap one in
 * `HttpClient.transform` first, provide its `RequestInit` to the program too, not to its layer alone. `HttpClient.followRedirects` above it makes
 * each hop a request of its own: one that comes back to a listed origin carries the credentials again.
 *
 * @example
 * ```ts
 * import * as AuthenticatedHttpClient from "effect-credentials/AuthenticatedHttpClient"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import { HttpClient, HttpClientResponse } from "@effect/platform"
 * import { Effect, Layer, Redacted } from "effect"
 *
 * const Echo = Layer.succeed(HttpClient.HttpClient, HttpClient.make((request) =>
 *   Effect.succeed(HttpClientResponse.fromWeb(request, new Response(request.headers["authorization"])))))
 * const Live = AuthenticatedHttpClient.layer({ origins: ["https://api.example.com"] }).pipe(
 *   Layer.provide([Echo, StaticToken.layer({ token: Redacted.make("t0ken") })]))
 * const program = Effect.gen(function*() {
 *   const client = yield* AuthenticatedHttpClient.AuthenticatedHttpClient
 *   console.log(yield* (yield* client.get("https://api.example.com/me")).text)
 * })
 * await Effect.runPromise(Effect.provide(program, Live))
 * // Bearer t0ken
 * ```
 *
 * @module
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Headers from "@effect/platform/Headers"
import type * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as UrlParams from "@effect/platform/UrlParams"
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import { dual, identity } from "effect/Function"
import { globalValue } from "effect/GlobalValue"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Authorization, Proof, Signed } from "./Authorization.ts"
import * as Credentials from "./Credentials.ts"
import { CrossOriginRedirect, InvalidOption, RefreshError } from "./CredentialsError.ts"
import { expected, originOf } from "./internal/origin.ts"
import * as Challenge from "./protocol/Challenge.ts"
import * as TokenRequest from "./protocol/TokenRequest.ts"
import * as Token from "./Token.ts"

/**
 * The identity of the {@link AuthenticatedHttpClient} called `Name`: nominal, so that it never stands in for a plain HttpClient.
 *
 * @category models
 * @since 0.1.0
 */
export interface Id<in out Name extends string> {
  /** The name, for the type checker only. */
  readonly "~effect-credentials/AuthenticatedHttpClient": (name: Name) => Name
}

/**
 * An HttpClient that carries credentials. Its error channel says what can go wrong besides the request itself: no token
 * (`RefreshError`), and an answer from an origin that was not meant (`CrossOriginRedirect`).
 *
 * @category models
 * @since 0.1.0
 */
export interface AuthenticatedHttpClient extends HttpClient.HttpClient.With<
  HttpClientError.HttpClientError | RefreshError | CrossOriginRedirect
> {}

/**
 * The default authenticated client of a program. For a second one see {@link Tag}.
 *
 * @category tags
 * @since 0.1.0
 */
export const AuthenticatedHttpClient: Context.Tag<
  Id<"default">,
  AuthenticatedHttpClient
> = /* @__PURE__ */ Context.GenericTag("effect-credentials/AuthenticatedHttpClient")

/**
 * The tag of an authenticated client with a name of its own, for programs that talk to several APIs.
 *
 * @example
 * ```ts
 * import * as AuthenticatedHttpClient from "effect-credentials/AuthenticatedHttpClient"
 * import * as Credentials from "effect-credentials/Credentials"
 *
 * const GitHub = AuthenticatedHttpClient.Tag("github")
 * const GitHubLive = AuthenticatedHttpClient.layer({
 *   origins: ["https://api.github.com"],
 *   credentials: Credentials.Tag("github"),
 *   tag: GitHub
 * })
 * console.log(GitHub.key)
 * // effect-credentials/AuthenticatedHttpClient/github
 * ```
 *
 * @category tags
 * @since 0.1.0
 */
export const Tag = <const Name extends string>(name: Name): Context.Tag<Id<Name>, AuthenticatedHttpClient> =>
  Context.GenericTag(`effect-credentials/AuthenticatedHttpClient/${name}`)

/**
 * Where credentials go, and how.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The origins that may have the credentials: scheme, host and port, such as `"https://api.example.com"`. https, or http on
   * localhost. Required.
   */
  readonly origins: Arr.NonEmptyReadonlyArray<string>
  /** How the token goes on a request. Default: what the credentials say, which is bearer nearly always. */
  readonly authorization?: Authorization | undefined
  /**
   * Whether a 401 renews the token and sends the request once more. Never where the body cannot be sent twice. `false`: every 401 is returned to you, whatever
   * it says. Default: true.
   */
  readonly retryUnauthorized?: boolean | undefined
}

/**
 * Where credentials go, and which credentials.
 *
 * @category models
 * @since 0.1.0
 */
export interface HttpClientOptions<CredentialsName extends string = "default"> extends Options {
  /** The credentials to carry. Default: {@link Credentials.Credentials}. */
  readonly credentials?: Context.Tag<Credentials.Id<CredentialsName>, Credentials.Credentials> | undefined
}

/**
 * Where credentials go, which credentials, and under which tag the client is provided.
 *
 * @category models
 * @since 0.1.0
 */
export interface LayerOptions<
  Name extends string = "default",
  CredentialsName extends string = "default"
> extends HttpClientOptions<CredentialsName> {
  /** The tag that the layer provides. Default: {@link AuthenticatedHttpClient}. */
  readonly tag?: Context.Tag<Id<Name>, AuthenticatedHttpClient> | undefined
}

const replays = /* @__PURE__ */ Metric.counter("effect_credentials_unauthorized_replays", {
  description: "Requests sent once more with a renewed token after a 401",
  incremental: true
})

/** Instead of the client's own credentials, for the requests of one effect: none, or others. */
const currentInstead = /* @__PURE__ */ globalValue("effect-credentials/AuthenticatedHttpClient/currentInstead", () =>
  FiberRef.unsafeMake<Credentials.Credentials | "none" | undefined>(undefined)
)

/**
 * Requests of this effect go out without credentials, and nothing is acquired for them.
 *
 * @example
 * ```ts
 * import * as AuthenticatedHttpClient from "effect-credentials/AuthenticatedHttpClient"
 * import { Effect } from "effect"
 *
 * const status = Effect.flatMap(AuthenticatedHttpClient.AuthenticatedHttpClient, (client) =>
 *   AuthenticatedHttpClient.anonymous(client.get("https://api.example.com/status")))
 * console.log(Effect.isEffect(status))
 * // true
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const anonymous = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.locally(effect, currentInstead, "none")

/**
 * Requests of this effect carry other credentials, to the same origins: another tenant's, another user's.
 *
 * **Details** – they go on the request as the client's `authorization` option says; without one, as the other credentials say.
 *
 * @example
 * ```ts
 * import * as AuthenticatedHttpClient from "effect-credentials/AuthenticatedHttpClient"
 * import * as Credentials from "effect-credentials/Credentials"
 * import { Effect } from "effect"
 *
 * const asTenant = Effect.gen(function*() {
 *   const client = yield* AuthenticatedHttpClient.AuthenticatedHttpClient
 *   const tenant = yield* Credentials.Tag("tenant")
 *   return yield* client.get("https://api.example.com/me").pipe(AuthenticatedHttpClient.withCredentials(tenant))
 * })
 * console.log(Effect.isEffect(asTenant))
 * // true
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withCredentials: {
  (credentials: Credentials.Credentials): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(effect: Effect.Effect<A, E, R>, credentials: Credentials.Credentials): Effect.Effect<A, E, R>
} = /* @__PURE__ */ dual(
  2,
  <A, E, R>(effect: Effect.Effect<A, E, R>, credentials: Credentials.Credentials): Effect.Effect<A, E, R> =>
    Effect.locally(effect, currentInstead, credentials)
)

/** What of a request cannot be changed while it is repeated, redirected or sent once more. */
interface Order {
  readonly fiber: Fiber.RuntimeFiber<unknown, unknown>
  readonly request: HttpClientRequest.HttpClientRequest
  readonly credentials: Credentials.Credentials
  readonly authorization: Authorization
}

/** One sending of it. The lower half is filled in just before it leaves, and again whenever a retry below us sends it again. */
interface Attempt {
  readonly order: Order
  readonly hop: Hop | undefined
  readonly hops: number
  readonly isReplay: boolean
  /** Whether its proof was made with what the answer to another one has told. */
  readonly isProvenAnew: boolean
  /** The token to use first, if it must be this one. */
  renewed: Token.Token | undefined
  /** The token it went out with, if we attached one. */
  token: Token.Token | undefined
  /** The proof it went out with, if it needs one. */
  signed: Signed | undefined
  /** As it went out, but for the headers that we attached. */
  final: HttpClientRequest.HttpClientRequest | undefined
}

/** Where redirects have led so far, and what they have made of the request. */
interface Hop {
  readonly url: string
  readonly isGet: boolean
  readonly changedOrigin: boolean
}

const maxHops = 10
const aboutTheBody = ["content-encoding", "content-language", "content-location", "content-type", "content-length"]
const aboutTheOrigin = ["authorization", "cookie", "proxy-authorization", "host"]

/** The request that redirects have led to. The client's preprocessing ran as for the first one, so its cookies are fresh. */
const redirected = (request: HttpClientRequest.HttpClientRequest, hop: Hop): HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.make(hop.isGet ? "GET" : request.method)(hop.url).pipe(
    hop.isGet ? identity : HttpClientRequest.setBody(request.body),
    HttpClientRequest.setHeaders(
      Headers.remove(request.headers, [
        ...(hop.isGet ? aboutTheBody : []),
        ...(hop.changedOrigin ? aboutTheOrigin : [])
      ])
    )
  )

const urlOf = (request: HttpClientRequest.HttpClientRequest): URL | undefined =>
  Option.getOrUndefined(Either.getRight(UrlParams.makeUrl(request.url, request.urlParams, request.hash)))

const resolve = (location: string, base: URL | undefined): URL | undefined => {
  try {
    return new URL(location, base)
  } catch {
    return undefined
  }
}

/** Whether a context holds the very same as one before, in the same order. Entries would have to be taken apart: that takes longer than two loops. */
const isSame = (
  { unsafeMap }: Context.Context<never>,
  keys: ReadonlyArray<string>,
  services: ReadonlyArray<unknown>
): boolean => {
  if (unsafeMap.size !== keys.length) return false
  let i = 0
  for (const key of unsafeMap.keys()) if (key !== keys[i++]) return false
  i = 0
  for (const service of unsafeMap.values()) if (service !== services[i++]) return false
  return true
}

/** The context in which fetch does not follow redirects; the rest of what it was told stays. */
const withManualRedirects = (context: Context.Context<never>): Context.Context<never> => {
  const init: RequestInit | undefined = context.unsafeMap.get(FetchHttpClient.RequestInit.key)
  return init?.redirect === "manual"
    ? context
    : (Context.add(context, FetchHttpClient.RequestInit, { ...init, redirect: "manual" }) as Context.Context<never>)
}

/** Whether a body can be sent a second time. */
const isReplayable = (body: HttpBody.HttpBody): boolean => {
  switch (body._tag) {
    case "Empty":
    case "Uint8Array":
    case "FormData":
      return true
    case "Stream":
      return false
    case "Raw":
      return (
        body.body === null ||
        body.body === undefined ||
        typeof body.body === "string" ||
        body.body instanceof URLSearchParams ||
        body.body instanceof Blob ||
        body.body instanceof ArrayBuffer ||
        ArrayBuffer.isView(body.body)
      )
  }
}

/** Where fetch got the response, if it says so and it is not where the request went. */
const fetchedFrom = (response: HttpClientResponse.HttpClientResponse): string | undefined => {
  const { original, source } = response as { original?: { source?: unknown }; source?: unknown }
  const web = (source ?? original?.source) as Partial<Response> | undefined
  return web?.redirected === true && typeof web.url === "string" ? web.url : undefined
}

/** A failed request holds the request: as the caller made it, not with our headers. */
const withoutHeaders = <E>(cause: Cause.Cause<E>, { final, token }: Attempt): Cause.Cause<E> =>
  token === undefined || final === undefined
    ? cause
    : Cause.map(cause, (error) =>
        error instanceof HttpClientError.RequestError
          ? (new HttpClientError.RequestError({ ...error, request: final }) as E)
          : error
      )

/** The answer that the client took for an error because of its status. */
const refusedStatus = (cause: Cause.Cause<unknown>): HttpClientResponse.HttpClientResponse | undefined => {
  const error = Option.getOrUndefined(Cause.failureOption(cause))
  return error instanceof HttpClientError.ResponseError && error.reason === "StatusCode" ? error.response : undefined
}

/** A client from a layer has put the context back by itself; after any other it is on us. */
const restored = <A, E, R>(
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  context: Context.Context<never>,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  fiber.currentContext === context ? effect : Effect.zipRight(FiberRef.set(FiberRef.currentContext, context), effect)

/** Reads away what is left of a small response, so that its connection can be used again; gives up on a large or slow one. */
const discard = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  response.stream.pipe(
    Stream.mapAccum(0, (size, chunk) => [size + chunk.length, size + chunk.length]),
    Stream.takeWhile((size) => size <= 65_536),
    Stream.runDrain,
    Effect.timeout("1 second"),
    Effect.ignore
  )

const parseOrigins = (origins: ReadonlyArray<string>): Either.Either<ReadonlySet<string>, InvalidOption> => {
  const invalid = (option: string, expected: string) =>
    Either.left(new InvalidOption({ provider: "AuthenticatedHttpClient", option, expected }))
  const parsed = new Set<string>()
  for (const [i, text] of origins.entries()) {
    const origin = originOf(text)
    if (origin === undefined) return invalid(`origins[${i}]`, expected)
    parsed.add(origin)
  }
  return parsed.size === 0 ? invalid("origins", "one origin at least") : Either.right(parsed)
}

/**
 * The authenticated client over a client and credentials that you hold. {@link layer} does this for you.
 *
 * **Details** – an `InvalidOption` if an option cannot work. An Either is an Effect too: `yield*` it.
 *
 * @example
 * ```ts
 * import * as AuthenticatedHttpClient from "effect-credentials/AuthenticatedHttpClient"
 * import * as Credentials from "effect-credentials/Credentials"
 * import { HttpClient } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const tenantClient = Effect.gen(function*() {
 *   const credentials = yield* Credentials.Tag("tenant")
 *   const origins = ["https://api.example.com"] as const
 *   return yield* AuthenticatedHttpClient.make(yield* HttpClient.HttpClient, credentials, { origins })
 * })
 * console.log(Effect.isEffect(tenantClient))
 * // true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E, R>(
  client: HttpClient.HttpClient.With<E, R>,
  credentials: Credentials.Credentials,
  options: Options
): Either.Either<HttpClient.HttpClient.With<E | RefreshError | CrossOriginRedirect, R>, InvalidOption> =>
  Either.gen(function* () {
    const origins = yield* parseOrigins(options.origins)
    const problem = (options.authorization ?? credentials.authorization).problem
    if (Option.isSome(problem)) {
      return yield* Either.left(
        new InvalidOption({ provider: "AuthenticatedHttpClient", option: "authorization", expected: problem.value })
      )
    }
    return over(client, credentials, origins, options)
  })

const over = <E, R>(
  client: HttpClient.HttpClient.With<E, R>,
  own: Credentials.Credentials,
  origins: ReadonlySet<string>,
  options: Options
): HttpClient.HttpClient.With<E | RefreshError | CrossOriginRedirect, R> => {
  type Answer = Effect.Effect<HttpClientResponse.HttpClientResponse, E | RefreshError | CrossOriginRedirect, R>
  const retryUnauthorized = options.retryUnauthorized ?? true

  // The last of each is remembered: most requests look like the one before.
  let lastOrigin: string | undefined
  let lastPrefix: string | undefined
  let lastSendable: Token.Token | undefined
  let lastKeys: ReadonlyArray<string> = []
  let lastServices: ReadonlyArray<unknown> = []
  let lastManual: Context.Context<never> | undefined
  let lastRedacted: ReadonlyArray<string | RegExp> | undefined
  let lastNames: ReadonlyArray<string> | undefined
  let lastProtected: ReadonlyArray<string | RegExp> | undefined

  /** The origin of a URL if it is listed. One with a user name brings credentials of its own; a blob has the origin of its maker. */
  const listed = (url: URL | undefined): string | undefined =>
    url !== undefined &&
    origins.has(url.origin) &&
    url.protocol !== "blob:" &&
    url.username === "" &&
    url.password === ""
      ? url.origin
      : undefined

  /** Parameters and fragment cannot change an origin, so that the URL without them decides. */
  const listedOrigin = (request: HttpClientRequest.HttpClientRequest): string | undefined => {
    // All that can follow "https://api.example.com/" is a path: what most requests begin with needs no parsing.
    if (lastPrefix === undefined || !request.url.startsWith(lastPrefix)) {
      const url = UrlParams.makeUrl(request.url, UrlParams.empty, Option.none())
      const origin = listed(Option.getOrUndefined(Either.getRight(url)))
      if (origin === undefined) return undefined
      lastOrigin = origin
      lastPrefix = `${origin}/`
    }
    return lastOrigin
  }

  /** {@link withManualRedirects}. A client's layer merges a context anew for each request, of the same services: those decide. */
  const manual = (context: Context.Context<never>): Context.Context<never> => {
    if (lastManual === undefined || !isSame(context, lastKeys, lastServices)) {
      lastKeys = [...context.unsafeMap.keys()]
      lastServices = [...context.unsafeMap.values()]
      lastManual = withManualRedirects(context)
    }
    return lastManual
  }

  /** The header names that spans do not show, with those that we may set. */
  const protectedNames = (
    redacted: ReadonlyArray<string | RegExp>,
    names: ReadonlyArray<string>
  ): ReadonlyArray<string | RegExp> => {
    if (redacted !== lastRedacted || names !== lastNames) {
      const missing = names.filter((name) => !redacted.includes(name))
      lastProtected = missing.length === 0 ? redacted : [...redacted, ...missing]
      lastRedacted = redacted
      lastNames = names
    }
    return lastProtected!
  }

  /** Here and not around the request: only here the client's own layer has put in its RequestInit (a proxy, say). */
  const fetchable = (
    request: HttpClientRequest.HttpClientRequest
  ): Effect.Effect<HttpClientRequest.HttpClientRequest> =>
    FiberRef.modify(FiberRef.currentContext, (context) => [request, manual(context)])

  const prove = (
    attempt: Attempt,
    request: HttpClientRequest.HttpClientRequest,
    proof: Proof,
    token: Token.Token
  ): Effect.Effect<HttpClientRequest.HttpClientRequest, RefreshError> =>
    Effect.mapBoth(proof.sign({ method: request.method, url: urlOf(request)!.href, token: Option.some(token) }), {
      onFailure: (description) =>
        new RefreshError({
          provider: attempt.order.credentials.name,
          reason: { _tag: "Assertion", description }
        }),
      onSuccess: (signed) => {
        attempt.signed = signed
        return HttpClientRequest.setHeaders(request, signed.headers)
      }
    })

  /** Runs after the client's own preprocessing, once for every time the request is sent. */
  const attach = (
    attempt: Attempt,
    preprocessed: HttpClientRequest.HttpClientRequest
  ): Effect.Effect<HttpClientRequest.HttpClientRequest, RefreshError> => {
    const { authorization, credentials } = attempt.order
    const final = attempt.hop === undefined ? preprocessed : redirected(preprocessed, attempt.hop)
    attempt.token = undefined
    attempt.signed = undefined
    const origin = listedOrigin(final)
    if (origin === undefined) return Effect.succeed(final)
    for (const name of authorization.names) if (name in final.headers) return Effect.succeed(final)

    const use = (token: Token.Token): Effect.Effect<HttpClientRequest.HttpClientRequest, RefreshError> => {
      if (token !== lastSendable) {
        if (!Token.isSendable(token)) {
          const description = "the access token has characters that cannot be sent"
          return new RefreshError({ provider: credentials.name, reason: { _tag: "InvalidResponse", description } })
        }
        lastSendable = token
      }
      const headers = authorization.headers(token, origin)
      let request = final
      for (const name in headers) request = HttpClientRequest.setHeader(request, name, headers[name]!)
      if (request === final) return Effect.succeed(final)
      attempt.token = token
      attempt.final = final
      return authorization.proof === undefined
        ? fetchable(request)
        : Effect.flatMap(prove(attempt, request, authorization.proof, token), fetchable)
    }

    const { renewed } = attempt
    attempt.renewed = undefined
    return renewed === undefined ? Effect.flatMap(credentials.token, use) : use(renewed)
  }

  const send = (attempt: Attempt): Answer => {
    const { fiber, request } = attempt.order
    const context = fiber.currentContext
    return Effect.matchCauseEffect(
      HttpClient.mapRequestEffect(client, (preprocessed) => attach(attempt, preprocessed)).execute(request),
      {
        onFailure: (cause) => restored(fiber, context, failed(attempt, cause)),
        onSuccess: (response) => restored(fiber, context, receive(attempt, response))
      }
    )
  }

  /** A client that takes a status for an error (`filterStatusOk`) has the answer all the same: a 401 renews, a redirect is followed. */
  const failed = (attempt: Attempt, cause: Cause.Cause<E | RefreshError>): Answer => {
    const failure = Effect.failCause(withoutHeaders(cause, attempt))
    const response = refusedStatus(cause)
    return response === undefined
      ? failure
      : Effect.flatMap(receive(attempt, response), (answer) => (answer === response ? failure : Effect.succeed(answer)))
  }

  const receive = (attempt: Attempt, response: HttpClientResponse.HttpClientResponse): Answer => {
    if (attempt.token === undefined) return Effect.succeed(response)
    const final = attempt.final!
    const answeredBy = fetchedFrom(response) ?? response.request.url
    if (
      response.status === 0 ||
      (answeredBy !== final.url && listed(resolve(answeredBy, urlOf(final))) === undefined)
    ) {
      return new CrossOriginRedirect({
        from: urlOf(final)!.origin,
        to: response.status === 0 ? "unknown" : (resolve(answeredBy, urlOf(final))?.origin ?? "unknown")
      })
    }
    // The server did nothing but tell how the proof should have been: the token is as good as before.
    if (attempt.signed?.learn(response) === true && !attempt.isProvenAnew && isReplayable(final.body)) {
      const again: Attempt = { ...attempt, renewed: attempt.token, isProvenAnew: true }
      return Effect.zipRight(
        discard(response),
        Effect.suspend(() => send(again))
      )
    }
    switch (response.status) {
      case 401:
        return retryUnauthorized ? unauthorized(attempt, attempt.token, final, response) : Effect.succeed(response)
      case 301:
      case 302:
      case 303:
      case 307:
      case 308:
        return follow(attempt, final, response)
      default:
        return Effect.succeed(response)
    }
  }

  const unauthorized = (
    attempt: Attempt,
    refused: Token.Token,
    final: HttpClientRequest.HttpClientRequest,
    response: HttpClientResponse.HttpClientResponse
  ): Answer => {
    const challenge = response.headers["www-authenticate"]
    const refusal = Option.getOrUndefined(Challenge.refusalIn(response.headers))
    const code = Option.getOrUndefined(refusal?.error ?? Option.none())
    // Another token of the same login would be refused as well.
    if (refusal !== undefined && Option.isSome(refusal.stepUp)) {
      const { acrValues, maxAge } = refusal.stepUp.value
      const isEchoed = TokenRequest.isEchoed({ headers: [], params: [], secrets: [refused.accessToken] }, challenge!)
      const error = new RefreshError({
        provider: attempt.order.credentials.name,
        reason: {
          _tag: "ReauthenticationRequired",
          subtype: "insufficient_user_authentication",
          description: isEchoed ? undefined : Option.getOrUndefined(refusal.description),
          acrValues: isEchoed ? [] : acrValues,
          maxAge: Option.getOrUndefined(maxAge)
        }
      })
      return Effect.zipRight(discard(response), error)
    }
    return code === "insufficient_scope" || attempt.isReplay || !isReplayable(final.body)
      ? Effect.succeed(response)
      : renewAndReplay(attempt, refused, response)
  }

  const renewAndReplay = (
    attempt: Attempt,
    refused: Token.Token,
    response: HttpClientResponse.HttpClientResponse
  ): Answer => {
    const { name, renew } = attempt.order.credentials
    return Effect.matchEffect(renew(refused), {
      // There is no other token to be had: the caller sees the 401.
      onFailure: (error): Answer =>
        error.reason._tag === "TooSoon" || error.reason._tag === "InvalidResponse"
          ? Effect.succeed(response)
          : Effect.zipRight(discard(response), error),
      onSuccess: (renewed) =>
        discard(response).pipe(
          Effect.zipRight(Metric.increment(Metric.tagged(replays, "provider", name))),
          Effect.zipRight(Effect.suspend(() => send({ ...attempt, renewed, isReplay: true })))
        )
    })
  }

  const follow = (
    attempt: Attempt,
    final: HttpClientRequest.HttpClientRequest,
    response: HttpClientResponse.HttpClientResponse
  ): Answer => {
    const { hop, hops } = attempt
    const { location } = response.headers
    const from = urlOf(final)
    const target = location === undefined || hops === maxHops ? undefined : resolve(location, from)
    const isGet =
      hop?.isGet === true ||
      (response.status === 303 ? final.method !== "HEAD" : response.status < 303 && final.method === "POST")
    if (target === undefined || listed(target) === undefined || !(isGet || isReplayable(final.body))) {
      return Effect.succeed(response)
    }
    target.hash = ""
    const changedOrigin = hop?.changedOrigin === true || target.origin !== from?.origin
    const next: Attempt = {
      ...attempt,
      hop: { url: target.href, isGet, changedOrigin },
      hops: hops + 1,
      isProvenAnew: false
    }
    return Effect.zipRight(
      discard(response),
      Effect.suspend(() => send(next))
    )
  }

  return HttpClient.makeWith<never, never, E | RefreshError | CrossOriginRedirect, R>(
    Effect.flatMap((request) => {
      const fiber = Option.getOrThrow(Fiber.getCurrentFiber())
      const instead = fiber.getFiberRef(currentInstead)
      if (instead === "none") return client.execute(request)
      const credentials = instead ?? own
      const authorization = options.authorization ?? credentials.authorization
      const order: Order = { fiber, request, credentials, authorization }
      const attempt: Attempt = {
        order,
        hop: undefined,
        hops: 0,
        isReplay: false,
        isProvenAnew: false,
        renewed: undefined,
        token: undefined,
        signed: undefined,
        final: undefined
      }
      const redacted = fiber.getFiberRef(Headers.currentRedactedNames)
      const all = protectedNames(redacted, authorization.names)
      return all === redacted ? send(attempt) : Effect.locally(send(attempt), Headers.currentRedactedNames, all)
    }),
    Effect.succeed
  )
}

const built = <CredentialsName extends string>(
  options: HttpClientOptions<CredentialsName>
): Effect.Effect<AuthenticatedHttpClient, InvalidOption, Credentials.Id<CredentialsName> | HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const tag = options.credentials ?? (Credentials.Credentials as Context.Tag<any, Credentials.Credentials>)
    return yield* make(yield* HttpClient.HttpClient, yield* tag, options)
  })

/**
 * An authenticated client over the program's HttpClient and credentials.
 *
 * **Details** – fails with `InvalidOption` if an option cannot work, before anything is sent. Nothing is acquired before the first
 * request.
 *
 * **Gotchas** – for a generated client hand this one to `HttpApiClient.makeWith`, so that its error channel stays honest.
 *
 * @example
 * ```ts
 * import * as AuthenticatedHttpClient from "effect-credentials/AuthenticatedHttpClient"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Effect, Layer, Redacted } from "effect"
 *
 * const Live = AuthenticatedHttpClient.layer({ origins: ["http://api.example.com"] }).pipe(
 *   Layer.provide([FetchHttpClient.layer, StaticToken.layer({ token: Redacted.make("t0ken") })]))
 * const error = await Effect.runPromise(Effect.flip(Effect.scoped(Layer.build(Live))))
 * console.log(error.message)
 * // AuthenticatedHttpClient: option origins[0] must be an origin such as https://api.example.com (http only on localhost), without a path
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Name extends string = "default", CredentialsName extends string = "default">(
  options: LayerOptions<Name, CredentialsName>
): Layer.Layer<Id<Name>, InvalidOption, Credentials.Id<CredentialsName> | HttpClient.HttpClient> =>
  Layer.effect(options.tag ?? (AuthenticatedHttpClient as Context.Tag<any, AuthenticatedHttpClient>), built(options))

/**
 * The drop-in: provides the platform's own `HttpClient` tag, for code that knows no other.
 *
 * **Details** – that tag's error channel has no place for ours. A `RefreshError` becomes a `RequestError` with the same message: reason
 * `Transport` if trying again may help, else `Encode`, so that `HttpClient.retryTransient` does not hammer a server that has
 * refused. So does `CrossOriginRedirect`, always as `Encode`. Prefer {@link layer} where you can.
 *
 * @example
 * ```ts
 * import * as AuthenticatedHttpClient from "effect-credentials/AuthenticatedHttpClient"
 * import * as StaticToken from "effect-credentials/StaticToken"
 * import { HttpClient, HttpClientResponse } from "@effect/platform"
 * import { Effect, Layer, Redacted } from "effect"
 *
 * const Echo = Layer.succeed(HttpClient.HttpClient, HttpClient.make((request) =>
 *   Effect.succeed(HttpClientResponse.fromWeb(request, new Response(request.headers["authorization"])))))
 * const Live = AuthenticatedHttpClient.layerHttpClient({ origins: ["https://api.example.com"] }).pipe(
 *   Layer.provide([Echo, StaticToken.layer({ token: Redacted.make("t0ken") })]))
 * const me = Effect.flatMap(HttpClient.get("https://api.example.com/me"), (response) => response.text)
 * console.log(await Effect.runPromise(Effect.provide(me, Live)))
 * // Bearer t0ken
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerHttpClient = <CredentialsName extends string = "default">(
  options: HttpClientOptions<CredentialsName>
): Layer.Layer<HttpClient.HttpClient, InvalidOption, Credentials.Id<CredentialsName> | HttpClient.HttpClient> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(built(options), (client) =>
      HttpClient.makeWith<never, never, HttpClientError.HttpClientError, never>(
        Effect.flatMap((request) =>
          Effect.mapError(client.execute(request), (error) => {
            switch (error._tag) {
              case "RefreshError":
              case "CrossOriginRedirect":
                return new HttpClientError.RequestError({
                  request,
                  reason: error._tag === "RefreshError" && error.isRetryable ? "Transport" : "Encode",
                  description: error.message
                })
              default:
                return error
            }
          })
        ),
        Effect.succeed
      )
    )
  )
