/**
 * An authorization server on a real socket that gives each refresh token once: generation n brings n + 1. One that comes again is reuse, and ends the
 * session, unless its answer may have been lost: with a window, the youngest answer can be had again as long as nobody has used it.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as http from "node:http"

export interface RotatingServer {
  /** The token endpoint for a process that is told apart by a name. */
  readonly url: (name: string) => string
  /** The youngest generation: its tokens are `access-<n>` and `refresh-<n>`. */
  readonly generation: () => number
  /** How many requests came. */
  readonly requests: () => number
  /** Answers that were given again: of which generation, who got it first, and who then. */
  readonly repeated: ReadonlyArray<{ readonly first: string; readonly then: string }>
  /** What must not happen: a refresh token that was spent, or two requests at a time by processes that both live. */
  readonly violations: ReadonlyArray<string>
  /** From now on, this process is as good as dead. */
  readonly killed: (name: string) => void
  /** Runs before an answer is given. */
  readonly beforeAnswer: (effect: (name: string) => Promise<unknown>) => void
}

export const make = (hasWindow: boolean): Effect.Effect<RotatingServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    let generation = 0
    let isRevoked = false
    let requests = 0
    let before: (name: string) => Promise<unknown> = async () => {}
    const repeated: Array<{ first: string; then: string }> = []
    const violations: Array<string> = []
    const killed = new Set<string>()
    const inFlight = new Set<string>()
    /** Who got the youngest answer. */
    let owner = ""

    const answer = (given: string, name: string): readonly [status: number, body: object] => {
      const spent = Number(/^refresh-(\d+)$/.exec(given)?.[1])
      if (spent === generation && !isRevoked) {
        generation++
        owner = name
      } else if (hasWindow && spent === generation - 1 && !isRevoked) {
        repeated.push({ first: owner, then: name })
        owner = name
      } else {
        violations.push(`${name} sent ${given}, the youngest is ${generation}`)
        isRevoked = true
        return [400, { error: "invalid_grant" }]
      }
      return [
        200,
        {
          access_token: `access-${generation}`,
          refresh_token: `refresh-${generation}`,
          token_type: "bearer",
          expires_in: 3600
        }
      ]
    }

    const server = yield* Effect.acquireRelease(
      Effect.async<http.Server>((resume) => {
        const server = http.createServer((request, response) => {
          const name = new URL(request.url ?? "", "http://localhost").searchParams.get("process") ?? ""
          let body = ""
          request.on("data", (chunk) => (body += chunk))
          request.on("end", () => {
            requests++
            for (const other of inFlight) {
              if (!killed.has(other) && !killed.has(name)) violations.push(`${name} sent while ${other} waited`)
            }
            inFlight.add(name)
            response.once("close", () => inFlight.delete(name))
            const [status, json] = answer(new URLSearchParams(body).get("refresh_token") ?? "", name)
            void before(name).then(() => {
              inFlight.delete(name)
              response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(json))
            })
          })
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          server.close()
          server.closeAllConnections()
        })
    )
    const { port } = server.address() as { port: number }
    return {
      url: (name) => `http://127.0.0.1:${port}/token?process=${name}`,
      generation: () => generation,
      requests: () => requests,
      repeated,
      violations,
      killed: (name) => killed.add(name),
      beforeAnswer: (effect) => {
        before = effect
      }
    }
  })
