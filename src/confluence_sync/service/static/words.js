// Every word of the page, in English and French; the browser's language decides.
const WORDS = {
  en: {
    skip: "Go to the question", welcome: "What would you like to know?", clear: "New chat", freshness: "Freshness",
    explain: "Answers come from your Confluence pages only, with the sources they rest on.", question: "Your question",
    placeholder: "Ask your documentation…", send: "Ask", stop: "Stop", space: "Space", allSpaces: "All spaces",
    hint: "Enter sends, Shift+Enter makes a new line", sources: "Sources", you: "You", answer: "Answer", changed: "changed",
    lastSync: "Last sync", never: "never", pages: "Pages", chunks: "Passages", oldest: "Oldest page", held: "Held deletions",
    sync: "Sync now", syncing: "Syncing…", synced: (n, s, f) => `Done: ${n} updated, ${s} unchanged, ${f} failed.`,
    syncFailed: "The sync failed: ", plot: "Pages changed by the last runs", runs: "Run", noRuns: "No run is known here yet.",
    noModel: "passages only", keyTitle: "A key is needed", keyWhy: "This service answers to holders of a key. Ask whoever runs it.",
    key: "Key", keyUse: "Use this key", ready: (n) => `The answer is ready, with ${n} sources.`, stopped: "Stopped.",
    lost: "The connection was lost. Try again.", copy: "Copy", copied: "Copied", thinking: "Searching…", opens: "opens in a new tab",
  },
  fr: {
    skip: "Aller à la question", welcome: "Que souhaitez-vous savoir ?", clear: "Nouveau", freshness: "Fraîcheur",
    explain: "Les réponses viennent uniquement de vos pages Confluence, avec les sources sur lesquelles elles s’appuient.",
    question: "Votre question", placeholder: "Interrogez votre documentation…", send: "Envoyer", stop: "Arrêter",
    space: "Espace", allSpaces: "Tous les espaces", hint: "Entrée envoie, Maj+Entrée va à la ligne", sources: "Sources",
    you: "Vous", answer: "Réponse", changed: "modifiée le", lastSync: "Dernière synchronisation", never: "jamais", pages: "Pages",
    chunks: "Passages", oldest: "Page la plus ancienne", held: "Suppressions retenues", sync: "Synchroniser", syncing: "Synchronisation…",
    synced: (n, s, f) => `Terminé : ${n} mises à jour, ${s} inchangées, ${f} en échec.`, syncFailed: "La synchronisation a échoué : ",
    plot: "Pages modifiées par les dernières exécutions", runs: "Exécution", noRuns: "Aucune exécution n’est encore connue ici.",
    noModel: "passages seulement", keyTitle: "Une clé est nécessaire",
    keyWhy: "Ce service répond aux détenteurs d’une clé. Demandez-la à la personne qui l’administre.", key: "Clé",
    keyUse: "Utiliser cette clé", ready: (n) => `La réponse est prête, avec ${n} sources.`, stopped: "Arrêté.",
    lost: "La connexion est perdue. Réessayez.", copy: "Copier", copied: "Copié", thinking: "Recherche…", opens: "s’ouvre dans un nouvel onglet",
  },
};

const locale = navigator.languages?.[0] ?? navigator.language ?? "en";
export const language = locale.toLowerCase().startsWith("fr") ? "fr" : "en";
export const words = WORDS[language];

export function speak(root) {
  document.documentElement.lang = language;
  for (const one of root.querySelectorAll("[data-word]")) one.textContent = words[one.dataset.word];
}

export function day(text, withTime = false) {
  const at = new Date(text);
  if (!text || Number.isNaN(at.getTime())) return "";
  return at.toLocaleString(locale, withTime ? { dateStyle: "medium", timeStyle: "short" } : { dateStyle: "medium" });
}
