/**
 * Where a browser comes back to after a login: waits for the one answer that is right, answers everything else and forgets it.
 *
 * The answer itself is redirected to a page of its own, so that no code stays in the address bar or the history; the page is held back until
 * it is known how the login ended.
 *
 * @module
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Loopback from "./loopback.ts"
import * as Page from "./page.ts"

export interface Redirect {
  /** Where the server is to send the browser. */
  readonly uri: string
  /** From now on `accept` looks at what comes; the first thing that it takes is the answer, and the Effect waits for that. */
  readonly expect: <A>(accept: (target: string) => Option.Option<A>) => Effect.Effect<A>
  /** Shows how it ended to the browser that brought the answer, if one did. */
  readonly show: (page: Page.Page) => Effect.Effect<void>
}

/** A browser that has been redirected fetches the page within this time, or it is gone. */
const patience = "1 second"

const plain = (status: number, body: string, headers?: Readonly<Record<string, string>>): Loopback.Response => ({
  status,
  body: `${body}\n`,
  headers
})

export const listen = (options: {
  /** 0: a free one. */
  readonly port: number
  /** What the redirect URI calls this machine. Undefined: a literal address that is listened on. */
  readonly host: Loopback.Host | "localhost" | undefined
  /** Empty, or begins with a slash. */
  readonly path: string
}): Effect.Effect<Redirect, Loopback.Failure, Scope.Scope> =>
  Effect.gen(function* () {
    const path = options.path === "" ? "/" : options.path
    const pagePath = `${path.endsWith("/") ? path : `${path}/`}done`
    const headers = yield* Page.headers
    const ended = yield* Deferred.make<Page.Page>()
    const delivered = yield* Deferred.make<void>()
    let accept = (_target: string): boolean => false
    let names: ReadonlySet<string> = new Set()
    let isRedirected = false
    let waiting = 0

    const respond = ({ host, method, target }: Loopback.Request): Effect.Effect<Loopback.Response> =>
      Effect.suspend(() => {
        const pathname = target.split("?", 1)[0]
        // A page elsewhere whose name was made to resolve to this machine says that name.
        if (!names.has(host)) return Effect.succeed(plain(403, "This address is for a login on this machine only."))
        if (pathname !== path && pathname !== pagePath) return Effect.succeed(plain(404, "There is nothing here."))
        if (method !== "GET") return Effect.succeed(plain(405, "Only GET is understood.", { allow: "GET" }))
        if (pathname === pagePath) {
          if (!isRedirected) return Effect.succeed(plain(404, "There is nothing here yet."))
          waiting++
          // A browser may ask twice: all that wait are served.
          const sent = Effect.suspend(() => (--waiting === 0 ? Deferred.succeed(delivered, undefined) : Effect.void))
          return Effect.map(Deferred.await(ended), (page) => ({
            status: 200,
            headers,
            body: Page.html(page),
            sent
          })).pipe(Effect.onInterrupt(() => Effect.sync(() => waiting--)))
        }
        if (!accept(target)) {
          return Effect.succeed(plain(400, "This is not the answer to the login that is waiting here."))
        }
        isRedirected = true
        return Effect.succeed(plain(303, "Continue.", { location: pagePath }))
      })

    const { hosts, port } = yield* Loopback.listen(options.port, respond)
    const host = options.host ?? hosts[0]!
    if (host !== "localhost" && !hosts.includes(host)) {
      return yield* Effect.fail<Loopback.Failure>({ _tag: "Unavailable", description: `this machine has no ${host}` })
    }
    const authority = (host: string) => (port === 80 ? host : `${host}:${port}`)
    names = new Set([...hosts, host].map(authority))

    return {
      uri: `http://${authority(host)}${options.path}`,
      expect: <A>(take: (target: string) => Option.Option<A>) =>
        Effect.flatMap(Deferred.make<A>(), (answer) => {
          // A browser may send the answer twice: what comes after the first is led to the same page, and changes nothing.
          accept = (target) => {
            const taken = take(target)
            if (Option.isSome(taken)) Deferred.unsafeDone(answer, Effect.succeed(taken.value))
            return Option.isSome(taken)
          }
          return Deferred.await(answer)
        }),
      show: (page) =>
        Effect.suspend(() =>
          Effect.zipRight(
            Deferred.succeed(ended, page),
            isRedirected ? Effect.asVoid(Effect.timeoutOption(Deferred.await(delivered), patience)) : Effect.void
          )
        )
    }
  })
