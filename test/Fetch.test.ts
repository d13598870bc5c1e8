import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { execFile } from "node:child_process"
import type * as Http from "node:http"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll } from "vitest"
import { listen } from "../examples/support/listen.ts"
import * as Authorization from "../src/Authorization.ts"
import { CrossOriginRedirect, InvalidOption, MissingCredentials, RefreshError } from "../src/CredentialsError.ts"
import * as Credentials from "../src/Credentials.ts"
import * as Fetch from "../src/Fetch.ts"
import * as ApiKey from "../src/providers/ApiKey.ts"
import * as ClientCredentials from "../src/providers/ClientCredentials.ts"
import * as StaticToken from "../src/providers/StaticToken.ts"
import { counting } from "./support/engine.ts"
import * as Program from "./support/program.ts"

/** A fetch without sockets, which remembers what it was told; tokens are called `t1`, `t2`, … */
const standIn = (answer: (request: Request, nth: number) => Response | Promise<Response>) => {
  const seen: Array<{
    readonly url: string
    readonly init: RequestInit
    readonly headers: Headers
    readonly body: string
  }> = []
  const fetch = async (input: RequestInfo | URL, init: RequestInit = {}) => {
    const request = new Request(input, { ...init, signal: null })
    const body = await request.clone().text()
    seen.push({ url: request.url, init, headers: request.headers, body })
    return answer(request, seen.length)
  }
  return {
    fetch: fetch as typeof globalThis.fetch,
    seen,
    sent: () => seen.map(({ headers }) => headers.get("authorization"))
  }
}

const api = "https://api.example.com"
const over = (
  send: { readonly fetch: typeof globalThis.fetch },
  options: Partial<Fetch.Options> & { readonly counted?: ReturnType<typeof counting> } = {}
) => {
  const { counted = counting(), ...rest } = options
  return Fetch.makeFetch(Credentials.layer(counted.provider), { origins: [api], fetch: send.fetch, ...rest })
}
const rejected = (promise: Promise<unknown>): Promise<any> =>
  promise.then(
    () => assert.fail("it did not reject"),
    (error) => error
  )
const unauthorized = () => new Response("who are you", { status: 401 })

describe("fetch", () => {
  it("carries the token to listed origins, and a request elsewhere is handed on as it is (S010)", async () => {
    const server = standIn((request) => new Response(request.headers.get("authorization")))
    const counted = counting()
    const { close, fetch } = over(server, { counted })
    const init = { headers: { "x-a": "b" } }
    assert.strictEqual(await (await fetch("https://other.example/", init)).text(), "")
    assert.strictEqual(server.seen[0]!.init, init)
    assert.strictEqual(counted.needs.length, 0)
    assert.strictEqual(await (await fetch(`${api}/me?a=%20+b&c`)).text(), "Bearer t1")
    assert.strictEqual(server.seen[1]!.url, `${api}/me?a=%20+b&c`)
    assert.strictEqual(await (await fetch(new URL(`${api}/me`))).text(), "Bearer t1")
    await close()
  })

  it("adds nothing but that: no tracing headers, and what the caller said stays", async () => {
    const server = standIn(() => new Response())
    const { close, fetch } = over(server)
    await fetch(`${api}/x`, {
      method: "Patch",
      headers: [["X-A", "b"]],
      body: "text",
      keepalive: true,
      cache: "no-store"
    })
    const { headers, init } = server.seen[0]!
    assert.deepStrictEqual([...headers.keys()].filter((name) => name !== "content-type").sort(), [
      "authorization",
      "x-a"
    ])
    assert.deepInclude(init, { method: "Patch", keepalive: true, cache: "no-store", redirect: "manual" })
    await fetch(`${api}/x`, { method: "put" })
    assert.strictEqual(server.seen[1]!.init.method, "PUT")
    await close()
  })

  const form = new FormData()
  form.set("a", "b")
  it.each<[string, () => BodyInit]>([
    ["text", () => "a=b"],
    ["parameters", () => new URLSearchParams("a=b")],
    ["a Blob", () => new Blob(["a=b"])],
    ["an ArrayBuffer", () => new TextEncoder().encode("a=b").buffer as ArrayBuffer],
    ["bytes", () => new TextEncoder().encode("a=b")],
    ["a form", () => form]
  ])("a 401 renews the token and sends the request once more, with %s (S292)", async (_, body) => {
    const server = standIn((_, nth) => (nth === 1 ? unauthorized() : new Response("fine")))
    const { close, fetch } = over(server)
    const response = await fetch(api, { method: "POST", body: body() })
    assert.deepStrictEqual([response.status, await response.text()], [200, "fine"])
    assert.deepStrictEqual(server.sent(), ["Bearer t1", "Bearer t2"])
    for (const { body } of server.seen) assert.match(body, /a=b|name="a"\r\n\r\nb/)
    await close()
  })

  it("a second 401 is returned, body and all", async () => {
    const server = standIn(unauthorized)
    const { close, fetch } = over(server)
    const response = await fetch(api)
    assert.deepStrictEqual([response.status, await response.text(), server.seen.length], [401, "who are you", 2])
    await close()
  })

  it("a stream is sent as a stream, once: its 401 stays", async () => {
    const server = standIn(unauthorized)
    const { close, fetch } = over(server)
    const body = new Blob(["a=b"]).stream()
    const response = await fetch(api, { method: "POST", body, duplex: "half" } as RequestInit)
    assert.deepStrictEqual([response.status, server.seen.map(({ body }) => body)], [401, ["a=b"]])
    await close()
  })

  it("a Request goes out with all that it holds; a small body can be sent twice, a large one cannot", async () => {
    const server = standIn((_, nth) => (nth === 1 ? unauthorized() : new Response("fine")))
    const { close, fetch } = over(server)
    const request = (body: string) =>
      new Request(`${api}/x`, { method: "POST", headers: { "x-a": "b", "content-type": "text/x" }, body })
    assert.strictEqual((await fetch(request("small"))).status, 200)
    assert.deepStrictEqual(
      server.seen.map(({ body }) => body),
      ["small", "small"]
    )
    assert.deepStrictEqual(
      [server.seen[1]!.headers.get("x-a"), server.seen[1]!.headers.get("content-type")],
      ["b", "text/x"]
    )
    const large = "0123456789".repeat(30_000)
    const second = standIn(unauthorized)
    const again = over(second)
    assert.strictEqual((await again.fetch(request(large))).status, 401)
    assert.deepStrictEqual(
      second.seen.map(({ body }) => body === large),
      [true]
    )
    await again.close()
    await close()
  })

  it("what init says wins over the Request, as in fetch", async () => {
    const server = standIn(() => new Response())
    const { close, fetch } = over(server)
    await fetch(new Request(api, { method: "POST", body: "a", headers: { "x-a": "a" } }), {
      method: "PUT",
      body: "b",
      headers: { "x-b": "b" }
    })
    const { body, headers, init } = server.seen[0]!
    assert.deepStrictEqual([init.method, body, headers.get("x-a"), headers.get("x-b")], ["PUT", "b", null, "b"])
    await close()
  })

  it("headers of the caller's own stay, unless ours are to take their place (S013)", async () => {
    const server = standIn(unauthorized)
    const init = { headers: { Authorization: "Bearer unused" } }
    const first = over(server)
    assert.strictEqual((await first.fetch(api, init)).status, 401)
    assert.deepStrictEqual(server.sent(), ["Bearer unused"])
    const second = over(server, { replacesHeaders: true })
    await second.fetch(api, init)
    assert.deepStrictEqual(server.sent().slice(1), ["Bearer t1", "Bearer t2"])
    await Promise.all([first.close(), second.close()])
  })

  it("a hundred calls at once make one token request", async () => {
    const counted = counting({ takes: "20 millis" })
    const { close, fetch } = over(
      standIn(() => new Response()),
      { counted }
    )
    await Promise.all(Array.from({ length: 100 }, () => fetch(api)))
    assert.strictEqual(counted.needs.length, 1)
    await close()
  })
})

describe("redirects", () => {
  const to = (location: string, status = 302) => new Response("moved", { status, headers: { location } })

  it("are followed within the listed origins, with the token", async () => {
    const server = standIn((_, nth) => (nth === 1 ? to("/there") : new Response("there")))
    const { close, fetch } = over(server)
    assert.strictEqual(await (await fetch(`${api}/here`)).text(), "there")
    assert.deepStrictEqual(server.sent(), ["Bearer t1", "Bearer t1"])
    await close()
  })

  it("that lead elsewhere take an address along and nothing else (S001, S002)", async () => {
    const server = standIn((_, nth) => (nth === 1 ? to("https://files.example/x") : new Response("file")))
    const { close, fetch } = over(server)
    const headers = { accept: "text/plain", "x-api-key": "s3cret", cookie: "a=b" }
    assert.strictEqual(await (await fetch(`${api}/here`, { headers })).text(), "file")
    assert.strictEqual(server.seen[1]!.url, "https://files.example/x")
    assert.deepStrictEqual([...server.seen[1]!.headers], [["accept", "text/plain"]])
    await close()
  })

  it.each([
    [307, "POST", "https://files.example/x"],
    [308, "PUT", "https://files.example/x"],
    [302, "DELETE", "https://files.example/x"],
    [302, "GET", "file:///etc/passwd"],
    [302, "GET", "data:text/plain,x"]
  ])("a %i of a %s to %s is not followed (S006)", async (status, method, location) => {
    const server = standIn(() => to(location, status))
    const { close, fetch } = over(server)
    const body = method === "GET" ? {} : { body: "s3cret" }
    const error = await rejected(fetch(api, { method, ...body }))
    assert.instanceOf(error, TypeError)
    assert.strictEqual(server.seen.length, 1)
    await close()
  })

  it.each(["/there", "https://files.example/x"])(
    "to %s are the caller's with manual, and an error with error",
    async (at) => {
      const server = standIn(() => to(at))
      const { close, fetch } = over(server)
      const response = await fetch(api, { redirect: "manual" })
      assert.deepStrictEqual(
        [response.status, response.headers.get("location"), await response.text()],
        [302, at, "moved"]
      )
      assert.instanceOf(await rejected(fetch(api, { redirect: "error" })), TypeError)
      assert.deepStrictEqual(server.sent(), ["Bearer t1", "Bearer t1"])
      await close()
    }
  )

  it("without end come to one", async () => {
    const server = standIn(() => to("/again"))
    const { close, fetch } = over(server)
    assert.instanceOf(await rejected(fetch(api)), TypeError)
    assert.strictEqual(server.seen.length, 11)
    await close()
  })
})

describe("errors", () => {
  it("without a token: our own, and nothing is sent", async () => {
    const server = standIn(() => new Response())
    const counted = counting()
    counted.always = { _tag: "Rejected", code: "invalid_client", status: 401 }
    const { close, fetch, getToken } = over(server, { counted })
    for (const error of [await rejected(fetch(api)), await rejected(getToken())]) {
      assert.instanceOf(error, RefreshError)
      assert.include(error.message, "check the client id")
    }
    assert.strictEqual(server.seen.length, 0)
    await close()
  })

  it("what fetch rejects with stays what it is", async () => {
    const broken = new TypeError("fetch failed")
    const { close, fetch } = over({ fetch: () => Promise.reject(broken) })
    assert.strictEqual(await rejected(fetch(api)), broken)
    assert.instanceOf(await rejected(fetch(api, { headers: { "a b": "c" } })), TypeError)
    assert.instanceOf(await rejected(fetch("https://")), TypeError)
    await close()
  })

  it("options and settings that cannot work are found by ready, and by whoever comes first", async () => {
    const server = standIn(() => new Response())
    const path = over(server, { origins: [`${api}/path`] })
    assert.instanceOf(await rejected(path.ready()), InvalidOption)
    assert.instanceOf(await rejected(path.getToken()), InvalidOption)
    const missing = Fetch.makeFetch(ClientCredentials.layerConfig(), { origins: [api], fetch: server.fetch })
    assert.instanceOf(await rejected(missing.fetch(api)), MissingCredentials)
    assert.isUndefined(missing.currentHeader())
    await Promise.all([path.close(), missing.close()])
  })

  it.each([[[`${api}/path`]], [[api, "http://api.example.com"]], [["nonsense"]], [[]]])(
    "origins %j is an error for every request: none goes out without credentials instead",
    async (origins) => {
      const server = standIn(() => new Response())
      const { close, fetch } = over(server, { origins: origins as unknown as [string] })
      for (const url of [api, `${api}/path`, "https://other.example"]) {
        const error = await rejected(fetch(url))
        assert.instanceOf(error, InvalidOption)
        assert.include(error.option, "origins")
      }
      assert.deepStrictEqual(server.seen, [])
      await close()
    }
  )

  it("an answer from where it was not sent is CrossOriginRedirect", async () => {
    const followed = () => {
      const response = new Response("stolen")
      Object.defineProperties(response, { redirected: { value: true }, url: { value: "https://evil.example/" } })
      return Promise.resolve(response)
    }
    const { close, fetch } = over({ fetch: followed })
    assert.instanceOf(await rejected(fetch(api)), CrossOriginRedirect)
    await close()
  })

  it("closed is closed", async () => {
    const server = standIn(() => new Response())
    const client = over(server)
    await client.fetch(api)
    assert.strictEqual(client.currentHeader(), "Bearer t1")
    await client.close()
    await client.close()
    assert.include((await rejected(client.fetch(api))).message, "closed")
    assert.include((await rejected(client.getToken())).message, "closed")
    assert.isUndefined(client.currentHeader())
    assert.strictEqual(server.seen.length, 1)
  })
})

describe("abort signals", () => {
  it("an aborted call rejects with the signal's reason, before or while it is sent", async () => {
    const server = standIn(() => new Promise(() => {}))
    const { close, fetch } = over(server)
    const reason = new Error("enough")
    assert.strictEqual(await rejected(fetch(api, { signal: AbortSignal.abort(reason) })), reason)
    assert.strictEqual(server.seen.length, 0)
    const controller = new AbortController()
    const call = rejected(fetch(new Request(api, { signal: controller.signal })))
    while (server.seen.length === 0) await new Promise((resume) => setTimeout(resume))
    controller.abort(reason)
    assert.strictEqual(await call, reason)
    await close()
  })

  it("a call aborted while it waits for a token takes nothing from the others", async () => {
    const counted = counting({ takes: "30 millis" })
    const { close, fetch } = over(
      standIn(() => new Response("fine")),
      { counted }
    )
    const controller = new AbortController()
    const first = rejected(fetch(api, { signal: controller.signal }))
    const second = fetch(api)
    controller.abort()
    assert.strictEqual((await first).name, "AbortError")
    assert.strictEqual((await second).status, 200)
    assert.strictEqual(counted.needs.length, 1)
    await close()
  })
})

describe("for everything else", () => {
  it("tokens, headers and gRPC metadata are promises", async () => {
    const { authorizationHeader, close, getToken, metadata } = over(
      standIn(() => new Response()),
      {
        authorization: Authorization.bearer.pipe(Authorization.withHeaders({ "X-Project": "p" }))
      }
    )
    assert.strictEqual(await getToken(), "t1")
    assert.strictEqual(await authorizationHeader(), "Bearer t1")
    assert.deepStrictEqual(await metadata(api), [
      ["authorization", "Bearer t1"],
      ["x-project", "p"]
    ])
    assert.instanceOf(await rejected(metadata("https://other.example")), InvalidOption)
    await close()
  })

  it("where there is no such header the error says so", async () => {
    const { authorizationHeader, close, metadata } = Fetch.makeFetch(
      ApiKey.layer({ headers: { "x-key": Redacted.make("k") } }),
      { origins: [api] }
    )
    assert.include((await rejected(authorizationHeader())).message, "see metadata")
    assert.deepStrictEqual(await metadata(), [["x-key", "k"]])
    await close()
  })

  it("a token that is bound to a key is given to nobody who could not prove it", async () => {
    const proof: Authorization.Proof = {
      names: ["x-proof"],
      thumbprint: Effect.succeed("key"),
      accepts: () => Effect.void,
      sign: () => Effect.succeed({ headers: { "x-proof": "yes" }, learn: () => false })
    }
    const server = standIn((request) => new Response(request.headers.get("x-proof")))
    const client = over(server, { authorization: Authorization.bearer.pipe(Authorization.withProof(proof)) })
    assert.strictEqual(await (await client.fetch(api)).text(), "yes")
    assert.include((await rejected(client.authorizationHeader())).message, "bound to a key")
    assert.isUndefined(client.currentHeader())
    await client.close()
  })
})

describe("currentHeader", () => {
  it("is undefined until there is a token, and obtains one behind the call", async () => {
    const counted = counting({ takes: "10 millis" })
    const client = over(
      standIn(() => new Response()),
      { counted }
    )
    assert.isUndefined(client.currentHeader())
    await client.ready()
    for (let i = 0; i < 50; i++) assert.isUndefined(client.currentHeader())
    assert.strictEqual(await client.authorizationHeader(), "Bearer t1")
    assert.strictEqual(client.currentHeader(), "Bearer t1")
    assert.strictEqual(counted.needs.length, 1)
    await client.close()
  })

  it("is never a token that has expired", async () => {
    const counted = counting({ lifetime: 1 })
    const client = over(
      standIn(() => new Response()),
      { counted }
    )
    await client.getToken()
    assert.strictEqual(client.currentHeader(), "Bearer t1")
    await new Promise((resume) => setTimeout(resume, 1_050))
    assert.notStrictEqual(client.currentHeader(), "Bearer t1")
    await client.close()
  })
})

describe("SDKs that take a fetch", () => {
  it("one as openid-client: a function of URL and options, redirects by hand, headers as an object or Headers", async () => {
    const sdk = (customFetch: (url: string, options: any) => Promise<Response>) => ({
      userInfo: async () => {
        const headers = new Headers({ accept: "application/json" })
        const response = await customFetch(`${api}/me`, {
          method: "GET",
          headers: Object.fromEntries(headers),
          body: null,
          redirect: "manual",
          signal: AbortSignal.timeout(10_000)
        })
        return response.json()
      }
    })
    const client = over(standIn((request) => Response.json({ by: request.headers.get("authorization") })))
    assert.deepStrictEqual(await sdk(client.fetch).userInfo(), { by: "Bearer t1" })
    await client.close()
  })

  it("one as octokit: an option of the request, its body as text", async () => {
    class Sdk {
      readonly options: { readonly request: { readonly fetch: typeof globalThis.fetch } }
      constructor(options: Sdk["options"]) {
        this.options = options
      }
      async request(route: string, body: unknown) {
        const [method, at] = route.split(" ") as [string, string]
        const { fetch } = this.options.request
        const response = await fetch(api + at, {
          method,
          body: JSON.stringify(body),
          redirect: undefined as never,
          headers: { accept: "application/vnd.github.v3+json", "content-type": "application/json; charset=utf-8" },
          signal: undefined as never
        })
        return { status: response.status, url: response.url, data: await response.json() }
      }
    }
    const server = standIn((request, nth) => (nth === 1 ? unauthorized() : Response.json({ echo: request.method })))
    const client = over(server)
    const { data } = await new Sdk({ request: { fetch: client.fetch } }).request("POST /repos", { name: "x" })
    assert.deepStrictEqual([data, server.seen[1]!.body], [{ echo: "POST" }, `{"name":"x"}`])
    await client.close()
  })
})

describe("with real sockets", () => {
  const scope = Effect.runSync(Scope.make())
  let url = ""
  const seen: Array<string> = []
  beforeAll(async () => {
    const answer: Http.RequestListener = (request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers.authorization?.split(" ")[0]}`)
      switch (request.url) {
        case "/token":
          response.writeHead(200, { "content-type": "application/json" })
          response.end(JSON.stringify({ access_token: "c4nary-t0ken", token_type: "Bearer", expires_in: 60 }))
          break
        case "/echo":
          request.pipe(response)
          break
        case "/slow":
          response.write("first ")
          setTimeout(() => response.end("second"), 20)
          break
        case "/endless":
          response.write("first")
          break
        default:
          response.end("me")
      }
    }
    url = await Effect.runPromise(Scope.extend(listen(answer), scope))
  })
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  const client = () =>
    Fetch.makeFetch(
      ClientCredentials.layer({ tokenEndpoint: `${url}/token`, clientId: "me", clientSecret: "s3cret" }),
      {
        origins: [url]
      }
    )

  it("bodies stream both ways", async () => {
    const { close, fetch } = client()
    const chunks = ["a", "b", "c"]
    const body = new ReadableStream({
      pull: (controller) => {
        const chunk = chunks.shift()
        if (chunk === undefined) controller.close()
        else controller.enqueue(new TextEncoder().encode(chunk))
      }
    })
    const echoed = await fetch(`${url}/echo`, { method: "POST", body, duplex: "half" } as RequestInit)
    assert.strictEqual(await echoed.text(), "abc")
    const slow = await fetch(`${url}/slow`)
    globalThis.gc?.()
    assert.strictEqual(await slow.text(), "first second")
    await close()
  })

  it("a signal ends a body, too", async () => {
    const { close, fetch } = client()
    const controller = new AbortController()
    const response = await fetch(`${url}/endless`, { signal: controller.signal })
    const reading = rejected(response.text())
    controller.abort()
    assert.strictEqual((await reading).name, "AbortError")
    await close()
  })

  it("the ten lines for this runtime run", async () => {
    const runtime = "Deno" in globalThis ? "deno" : "bun"
    const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..")
    const env = {
      ...process.env,
      TOKEN_URL: `${url}/token`,
      CLIENT_ID: "me",
      CLIENT_SECRET: "s3cret",
      SCOPE: "",
      API_URL: `${url}/me`
    }
    seen.length = 0
    const out = await new Promise<string>((resume) => {
      const [file, args] = Program.command(`examples/fetch.${runtime}.ts`)
      execFile(file, args, { cwd: root, env, timeout: 30_000 }, (_, out, err) => resume(out + err))
    })
    assert.strictEqual(out.trim(), "200 me")
    assert.deepStrictEqual(seen, ["POST /token Basic", "GET /me Bearer"])
  }, 40_000)
})

describe("layers", () => {
  it("of any credentials will do, those that need no HttpClient too", async () => {
    const Own: Layer.Layer<Credentials.Id<"default">, InvalidOption> = StaticToken.layer({ token: "known" })
    const { close, getToken } = Fetch.makeFetch(Own, { origins: [api] })
    assert.strictEqual(await getToken(), "known")
    await close()
  })

  it("token requests are sent by the same fetch", async () => {
    const server = standIn(() => Response.json({ access_token: "a", token_type: "bearer", expires_in: 60 }))
    const { close, getToken } = Fetch.makeFetch(
      ClientCredentials.layer({ tokenEndpoint: "https://id.example.com/token", clientId: "me", clientSecret: "x" }),
      { origins: [api], fetch: server.fetch }
    )
    assert.strictEqual(await getToken(), "a")
    assert.deepStrictEqual(
      server.seen.map(({ url }) => url),
      ["https://id.example.com/token"]
    )
    await close()
  })
})
