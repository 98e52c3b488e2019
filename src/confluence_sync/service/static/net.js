// Requests to the service, with the key when one is needed, and the events of an answer.
const dialog = document.getElementById("key-dialog");

export function random() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function stored(name, fresh) {
  try {
    const value = localStorage.getItem(name) ?? fresh();
    localStorage.setItem(name, value);
    return value;
  } catch {
    return fresh();
  }
}

let key = sessionStorage.getItem("key") ?? "";

export async function call(path, options = {}) {
  const headers = { "content-type": "application/json", ...(key ? { authorization: `Bearer ${key}` } : {}) };
  const answer = await fetch(path, { ...options, headers });
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => ({}));
  if (answer.status === 401 || body.detail === "Invalid API key") {
    await askForKey();
    return call(path, options);
  }
  throw new Error(body.detail ?? `${answer.status} ${answer.statusText}`);
}

let asking = null;
function askForKey() {
  asking ??= new Promise((resolve) => {
    dialog.showModal();
    dialog.addEventListener("close", () => {
      key = document.getElementById("key").value.trim();
      sessionStorage.setItem("key", key);
      asking = null;
      resolve();
    }, { once: true });
  });
  return asking;
}

export async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    waiting += value;
    const whole = waiting.split("\n\n");
    waiting = whole.pop();
    for (const one of whole) {
      const name = one.match(/^event: (.*)$/m)?.[1], data = one.match(/^data: (.*)$/m)?.[1];
      if (data) yield { name, data: JSON.parse(data) };
    }
  }
}
