/** A browser, as far as a login needs one: it follows redirects, keeps cookies and fills in forms. And a socket, for what no browser would do. */
import * as net from "node:net"

/** Where it ended. */
export interface Visited {
  readonly url: string
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** Goes to an address, submits whatever form it is shown, and ends at the first page without one. */
export const visit = async (address: string, fields: Readonly<Record<string, string>> = {}): Promise<Visited> => {
  const cookies = new Map<string, string>()
  let url = address
  let form: URLSearchParams | undefined
  for (;;) {
    const response = await fetch(url, {
      redirect: "manual",
      headers: { cookie: Array.from(cookies, (cookie) => cookie.join("=")).join("; ") },
      ...(form === undefined ? {} : { method: "POST", body: form })
    })
    const text = await response.text()
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!
      cookies.set(name!, value!)
    }
    const location = response.headers.get("location")
    const action = /<form[^>]*? action="([^"]+)"/.exec(text)?.[1]
    form = undefined
    if (location !== null) url = new URL(location, url).href
    else if (action === undefined) return { url, status: response.status, headers: response.headers, text }
    else {
      form = new URLSearchParams(fields)
      for (const [, name, value] of text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]+)"/g)) {
        form.set(name!, value!)
      }
      url = new URL(action, url).href
    }
  }
}

/** The address that an authorization server would send the browser back to. */
export const callbackOf = (login: string, answer: Readonly<Record<string, string>> = { code: "c0de" }): string => {
  const asked = new URL(login).searchParams
  const back = new URL(asked.get("redirect_uri")!)
  for (const [name, value] of Object.entries({ state: asked.get("state")!, ...answer })) {
    back.searchParams.append(name, value)
  }
  return back.href
}

/** What comes back over a socket of its own until the other side hangs up; undefined if it is reset or refused. */
export const raw = (port: number, bytes: string, host = "127.0.0.1"): Promise<string | undefined> =>
  new Promise((resolve) => {
    let text = ""
    let broke = false
    const socket = net.connect({ port, host }, () => socket.write(bytes))
    socket.setEncoding("latin1")
    socket.on("data", (chunk) => (text += chunk))
    socket.on("error", () => (broke = true))
    socket.on("close", () => resolve(broke ? undefined : text))
  })

/** A connection that says this much and then nothing; `gone` when the other side ends it. */
export const silent = async (port: number, bytes = "", host = "127.0.0.1") => {
  const socket = net.connect({ port, host })
  const gone = new Promise<void>((resolve) => {
    socket.on("error", () => {})
    socket.on("end", () => socket.destroy())
    socket.on("close", () => resolve())
  })
  const said = new Promise<void>((resolve) => {
    socket.once("connect", () => (bytes === "" ? resolve() : socket.write(bytes, () => resolve())))
  })
  await Promise.race([said, gone])
  return { gone, close: () => void socket.destroy() }
}

/** Whether anybody listens there. */
export const isOpen = (port: number, host = "127.0.0.1"): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect({ port, host })
    socket.on("connect", () => resolve(true))
    socket.on("error", () => resolve(false))
    socket.on("connect", () => socket.destroy())
  })
