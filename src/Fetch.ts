/**
 * Tokens for code that does not speak Effect: a `fetch` that carries credentials, and promises of tokens and headers.
 *
 * For SDKs that accept a `fetch`, and for programs that use nothing else of Effect. It has the authenticated client's guarantees: credentials go to the
 * origins you list and nowhere else, a 401 renews the token and sends the request once more. Programs on Effect use `AuthenticatedHttpClient`.
 *
 * @example
 * ```ts
 * import * as Fetch from "effect-credentials/Fetch"
 * import * as StaticToken from "effect-credentials/StaticToken"
 *
 * const api = Fetch.makeFetch(StaticToken.layer({ token: "t0ken" }), {
 *   origins: ["https://api.example.com"],
 *   fetch: async (_url, init) => new Response(new Headers(init?.headers).get("authorization"))
 * })
 * const response = await api.fetch("https://api.example.com/me")
 * console.log(await response.text())
 * // Bearer t0ken
 * await api.close()
 * ```
 *
 * @module
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as AuthenticatedHttpClient from "./AuthenticatedHttpClient.ts"
import type { Authorization } from "./Authorization.ts"
import * as Credentials from "./Credentials.ts"
import { type CrossOriginRedirect, InvalidOption, RefreshError } from "./CredentialsError.ts"
import { originOf } from "./internal/origin.ts"
import * as Timing from "./internal/timing.ts"
import type { Token } from "./Token.ts"

/**
 * Where credentials go, and what sends requests.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends AuthenticatedHttpClient.Options {
  /** What sends requests, those for tokens too: the place for a proxy or a private CA. Default: the runtime's own. */
  readonly fetch?: typeof globalThis.fetch | undefined
  /**
   * Whether our headers take the place of those of the same name that are on a request already, for SDKs that insist on a key of their own. Default: false, a request that
   * has them goes out as it is.
   */
  readonly replacesHeaders?: boolean | undefined
}

/**
 * A `fetch` that carries credentials, and what goes with it. All errors are rejections: those of `CredentialsError`, and beside them what fetch itself rejects with.
 *
 * @category models
 * @since 0.1.0
 */
export interface AuthenticatedFetch {
  /**
   * As the standard has it; it needs no `this`. Redirects are followed within the listed origins, and elsewhere without credentials and only where nothing but an address is sent. A
   * request elsewhere is handed on as it is.
   */
  readonly fetch: typeof globalThis.fetch
  /** Builds the credentials now, so that options and settings that cannot work are found at the start and not by the first request. */
  readonly ready: () => Promise<void>
  /** An access token fit for use now, in the clear. */
  readonly getToken: () => Promise<string>
  /** The value of the header `authorization`, for a listed origin. Default: the first. */
  readonly authorizationHeader: (origin?: string) => Promise<string>
  /** All headers, as pairs of lower-case name and value, which is what gRPC calls metadata; for a listed origin. Default: the first. */
  readonly metadata: (origin?: string) => Promise<ReadonlyArray<readonly [name: string, value: string]>>
  /**
   * The value of the header `authorization` for the first origin, if there is a token fit for use now; where one is due it is obtained behind this call. Undefined: not yet, ask
   * {@link authorizationHeader}. At most a second late to notice that a token was forgotten.
   */
  readonly currentHeader: () => string | undefined
  /**
   * Closes the credentials; what is on its way may land. Nothing can be asked for afterwards. Where it is never called the program ends all the same when it has nothing else to do, unless
   * a store has a connection open (`Redis`).
   */
  readonly close: () => Promise<void>
}

/** One call of fetch. */
interface Call {
  /** All that the caller said, but for what may change on the way. */
  readonly init: RequestInit
  readonly mode: RequestRedirect
  readonly signal: AbortSignal | undefined
  /** The answer to what was sent last. */
  last: Response | undefined
  /** Why there is none, in fetch's own words. */
  failure: unknown
}

const Call: Context.Tag<Call, Call> = /* @__PURE__ */ Context.GenericTag("effect-credentials/Fetch/Call")

type Client = HttpClient.HttpClient.With<HttpClientError.HttpClientError | RefreshError | CrossOriginRedirect>
const Client: Context.Tag<Client, Client> = /* @__PURE__ */ Context.GenericTag("effect-credentials/Fetch/Client")

/** Of a Request, what is neither its address nor changed on the way. */
const kept = ["cache", "credentials", "integrity", "keepalive", "mode", "referrer", "referrerPolicy"] as const

/** What may go where no credentials go. */
const harmless = ["accept", "accept-language", "range", "user-agent"]

/** The bodies of Requests that are small enough are read beforehand: those can be sent twice. */
const readAhead = 65_536

const isRedirect = (status: number): boolean => [301, 302, 303, 307, 308].includes(status)

const urlOf = (input: RequestInfo | URL): URL | undefined => {
  try {
    const base = (globalThis as { readonly location?: { readonly href?: string } | undefined }).location?.href
    return new URL(input instanceof Request ? input.url : input, base)
  } catch {
    return undefined
  }
}

/** The body of a Request, as bytes if it is small. */
const ahead = async (stream: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer> | ReadableStream> => {
  const reader = stream.getReader()
  const chunks: Array<Uint8Array> = []
  for (let size = 0; size <= readAhead;) {
    const { done, value } = await reader.read()
    if (done) return new Uint8Array(await new Blob(chunks as Array<Uint8Array<ArrayBuffer>>).arrayBuffer())
    chunks.push(value)
    size += value.length
  }
  return new ReadableStream({
    async pull(controller) {
      const chunk = chunks.shift()
      if (chunk !== undefined) return controller.enqueue(chunk)
      const { done, value } = await reader.read()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    cancel: (reason) => reader.cancel(reason)
  })
}

const bodyOf = async (input: RequestInfo | URL, init: RequestInit | undefined): Promise<HttpBody.HttpBody> => {
  const own = init?.body ?? undefined
  if (own !== undefined) return own instanceof FormData ? HttpBody.formData(own) : HttpBody.raw(own)
  const body = input instanceof Request && init?.body === undefined ? input.body : null
  return body === null ? HttpBody.empty : HttpBody.raw(await ahead(body))
}

/** Sends by fetch with all that the caller said, but for redirects where credentials are on the request. */
const sender = (send: typeof globalThis.fetch): HttpClient.HttpClient =>
  HttpClient.make((request, url, _signal, fiber) => {
    const { unsafeMap } = fiber.getFiberRef(FiberRef.currentContext)
    const call: Call = unsafeMap.get(Call.key)
    const told: RequestInit = unsafeMap.get(FetchHttpClient.RequestInit.key)
    const body: unknown =
      request.body._tag === "Raw"
        ? request.body.body
        : request.body._tag === "FormData"
          ? request.body.formData
          : undefined
    const isStream = body instanceof ReadableStream || (typeof body === "object" && Symbol.asyncIterator in body!)
    return Effect.map(
      Effect.tryPromise({
        try: () =>
          send(url, {
            ...call.init,
            method: request.method,
            headers: { ...request.headers },
            ...(body === undefined ? {} : { body: body as BodyInit }),
            ...(isStream ? { duplex: "half" } : {}),
            redirect: told.redirect ?? call.mode,
            ...(call.signal === undefined ? {} : { signal: call.signal })
          }),
        catch: (failure) => {
          call.failure = failure
          return new HttpClientError.RequestError({ request, reason: "Transport", cause: failure })
        }
      }),
      (response) => {
        call.last = response
        if (call.mode === "follow" || !(isRedirect(response.status) || response.type === "opaqueredirect")) {
          return HttpClientResponse.fromWeb(request, response)
        }
        // The caller decides about this redirect: nothing that could be followed is shown.
        const headers = new Headers(response.headers)
        headers.delete("location")
        return HttpClientResponse.fromWeb(request, new Response(null, { status: response.status || 204, headers }))
      }
    )
  }).pipe(HttpClient.withTracerDisabledWhen(() => true))

/** What a user of fetch expects to be rejected with. */
const rejection = (cause: Cause.Cause<unknown>, call: Call | undefined): unknown => {
  if (call?.signal?.aborted === true) return call.signal.reason
  const error = Cause.squash(cause)
  return error instanceof HttpClientError.RequestError ? (call?.failure ?? new TypeError("fetch failed")) : error
}

/** Follows a redirect that leads to where no credentials go. */
const leave = (
  send: typeof globalThis.fetch,
  call: Call,
  request: HttpClientRequest.HttpClientRequest,
  response: Response,
  isListed: (url: URL) => boolean
): Promise<Response> => {
  const { location } = Object.fromEntries(response.headers)
  const from = new URL(response.url || request.url)
  const to = location !== undefined && URL.canParse(location, from) ? new URL(location, from) : undefined
  if (location === undefined) return Promise.resolve(response)
  void response.body?.cancel()
  if (to === undefined || !/^https?:$/.test(to.protocol) || isListed(to)) {
    throw new TypeError("fetch failed: this redirect cannot be followed")
  }
  const isGet =
    ["GET", "HEAD"].includes(request.method) ||
    response.status === 303 ||
    (response.status < 303 && request.method === "POST")
  if (!isGet)
    throw new TypeError(`fetch failed: this redirect leads to ${to.origin}, and a ${request.method} stays here`)
  return send(to, {
    method: request.method === "HEAD" ? "HEAD" : "GET",
    headers: Object.fromEntries(
      harmless.flatMap((name) => (name in request.headers ? [[name, request.headers[name]!]] : []))
    ),
    credentials: "omit",
    ...(call.signal === undefined ? {} : { signal: call.signal })
  })
}

/**
 * A `fetch` over a layer of credentials, which is built when first needed. Close it when you are done.
 *
 * **Details** – string, bytes, Blob, form and parameters can be sent once more after a 401; so can the body of a `Request` of up to 64 KiB, but no stream. Errors: a token that cannot be
 * had is a `RefreshError`; options and settings that cannot work are the layer's errors, for every request if it is one of the origins; what fetch rejects with (`TypeError`, the reason of an abort signal) stays.
 *
 * **Gotchas** – `response.redirected` is false for redirects that were followed within the listed origins.
 *
 * @example
 * ```ts
 * import * as ClientCredentials from "effect-credentials/ClientCredentials"
 * import * as Fetch from "effect-credentials/Fetch"
 * import { ConfigProvider, Layer } from "effect"
 *
 * const Settings = Layer.setConfigProvider(ConfigProvider.fromMap(new Map()))
 * const api = Fetch.makeFetch(ClientCredentials.layerConfig().pipe(Layer.provide(Settings)), { origins: ["https://api.example.com"] })
 * await api.ready().catch((error) => console.log(error.message))
 * // ClientCredentials is not configured: set TOKEN_URL or ISSUER, CLIENT_ID, CLIENT_SECRET
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeFetch = <E>(
  layer: Layer.Layer<Credentials.Id<"default">, E, HttpClient.HttpClient>,
  options: Options
): AuthenticatedFetch => {
  const send: typeof globalThis.fetch = (input, init) => (options.fetch ?? globalThis.fetch)(input, init)
  const origins = new Set(options.origins.map(originOf))
  // One that is not an origin is the layer's error, for whoever asks: his request must not go out without credentials instead.
  const isUsable = origins.size > 0 && !origins.has(undefined)
  const isListed = (url: URL) => origins.has(url.origin)
  let [isBegun, isClosed] = [false, false]

  // What the synchronous door knows.
  let clock: Clock.Clock | undefined
  let look: ((now: number) => string | undefined) | undefined
  let [header, from, until] = [undefined as string | undefined, Infinity, -Infinity]

  const authorizationOf = (credentials: Credentials.Credentials): Authorization =>
    options.authorization ?? credentials.authorization
  const headersOf = (credentials: Credentials.Credentials, token: Token, origin: string) =>
    authorizationOf(credentials).headers(token, origin)

  const Live = Layer.effect(
    Client,
    Effect.gen(function* () {
      const credentials = yield* Credentials.Credentials
      const client = yield* AuthenticatedHttpClient.make(sender(send), credentials, options)
      const runFork = Runtime.runFork(yield* Effect.runtime())
      const origin = originOf(options.origins[0])!
      let isWaiting = false
      clock = yield* Effect.clock
      look = (now) => {
        if (isWaiting || isClosed || authorizationOf(credentials).proof !== undefined) return undefined
        const fiber = runFork(credentials.token, { immediate: true })
        const exit = fiber.unsafePoll()
        isWaiting = exit === null
        if (exit === null) fiber.addObserver(() => (isWaiting = false))
        if (exit === null || Exit.isFailure(exit)) return undefined
        const expiresAt = Option.match(exit.value.expiresAt, { onNone: () => Infinity, onSome: DateTime.toEpochMillis })
        header = headersOf(credentials, exit.value, origin)["authorization"]
        from = now
        until = Math.min(now + Timing.recheckEvery, expiresAt)
        return header
      }
      return client
    })
  ).pipe(
    Layer.provideMerge(layer),
    Layer.provide(Layer.provide(FetchHttpClient.layer, Layer.succeed(FetchHttpClient.Fetch, send)))
  )
  const runtime = ManagedRuntime.make(Live)

  const run = async <A>(
    effect: Effect.Effect<A, unknown, Credentials.Id<"default"> | Client>,
    call?: Call
  ): Promise<A> => {
    if (isClosed) {
      throw new RefreshError({ provider: "Fetch", reason: { _tag: "Source", description: "it is closed" } })
    }
    const exit = await runtime.runPromiseExit(effect, call?.signal === undefined ? {} : { signal: call.signal })
    if (Exit.isSuccess(exit)) return exit.value
    throw rejection(exit.cause, call)
  }

  const ready = () => run(Effect.asVoid(Client))

  const metadata = (origin?: string) =>
    Effect.gen(function* () {
      const credentials = yield* Credentials.Credentials
      yield* Client
      const at = originOf(origin ?? options.origins[0])
      const invalid = (option: string, expected: string) => new InvalidOption({ provider: "Fetch", option, expected })
      if (at === undefined || !origins.has(at)) return yield* invalid("origin", "one of those that are listed")
      if (authorizationOf(credentials).proof !== undefined) {
        const reason = {
          _tag: "Assertion",
          description: "the token is bound to a key, which only fetch can prove"
        } as const
        return yield* new RefreshError({ provider: credentials.name, reason })
      }
      return Object.entries(headersOf(credentials, yield* credentials.token, at))
    })

  const authenticated = async (
    input: RequestInfo | URL,
    init: RequestInit | undefined,
    url: URL
  ): Promise<Response> => {
    const request = input instanceof Request ? input : undefined
    const signal = init?.signal ?? request?.signal ?? undefined
    signal?.throwIfAborted()
    const method = init?.method ?? request?.method ?? "GET"
    const headers = new Headers(init?.headers ?? request?.headers)
    const { body: _body, headers: _headers, method: _method, redirect, signal: _signal, ...rest } = init ?? {}
    const said =
      request === undefined ? [] : kept.flatMap((name) => (request[name] === undefined ? [] : [[name, request[name]]]))
    const call: Call = {
      init: { ...Object.fromEntries(said), ...rest },
      mode: redirect ?? request?.redirect ?? "follow",
      signal,
      last: undefined,
      failure: undefined
    }
    const body = await bodyOf(input, init)
    const program = Effect.gen(function* () {
      const credentials = yield* Credentials.Credentials
      const client = yield* Client
      if (options.replacesHeaders === true) authorizationOf(credentials).names.forEach((name) => headers.delete(name))
      const asked = HttpClientRequest.make(
        (/^(get|head|post|put|delete|options)$/i.test(method) ? method.toUpperCase() : method) as "GET"
      )(url.href, { headers: Object.fromEntries(headers), ...(body._tag === "Empty" ? {} : { body }) })
      yield* client.execute(asked)
      return asked
    }).pipe(
      Effect.provideService(Call, call),
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: call.mode })
    )
    const asked = await run(program, call)
    const response = call.last!
    if (!isRedirect(response.status) || call.mode === "manual") return response
    if (call.mode === "follow") return leave(send, call, asked, response, isListed)
    void response.body?.cancel()
    throw new TypeError("fetch failed: a redirect, which the caller does not want")
  }

  return {
    fetch: async (input, init) => {
      const url = urlOf(input as RequestInfo | URL)
      if (url !== undefined && isListed(url)) return authenticated(input as RequestInfo | URL, init, url)
      if (!isUsable) await ready()
      return send(input, init)
    },
    ready,
    getToken: () =>
      run(
        Effect.flatMap(Credentials.Credentials, (credentials) =>
          Effect.map(credentials.token, (token) => Redacted.value(token.accessToken))
        )
      ),
    authorizationHeader: (origin) =>
      run(
        Effect.flatMap(metadata(origin), (pairs) => {
          const pair = pairs.find(([name]) => name === "authorization")
          return pair === undefined
            ? new InvalidOption({
                provider: "Fetch",
                option: "authorization",
                expected: "one that sets that header: see metadata"
              })
            : Effect.succeed(pair[1])
        })
      ),
    metadata: (origin) => run(metadata(origin)),
    currentHeader: () => {
      if (clock === undefined || look === undefined) {
        if (!isClosed && !isBegun) runtime.runFork(Effect.exit(Client))
        isBegun = true
        return undefined
      }
      const now = clock.unsafeCurrentTimeMillis()
      return now < until && now >= from ? header : look(now)
    },
    close: () => {
      isClosed = true
      until = -Infinity
      return runtime.dispose()
    }
  }
}
