// Keeps relative times true while a page stays open; the words are those of inbox/times.py.

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;

function amount(seconds) {
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  if (seconds < 2 * DAY) return `${Math.floor(seconds / HOUR)} h`;
  return `${Math.floor(seconds / DAY)} d`;
}

const words = {
  age: (seconds) => (seconds < MINUTE ? "just now" : `${amount(seconds)} ago`),
  span: (seconds) => (seconds < MINUTE ? "under 1 min" : amount(seconds)),
  left(seconds) {
    if (-seconds <= 0) return "time is up";
    return -seconds < MINUTE ? "under 1 min left" : `${amount(-seconds)} left`;
  },
};

function refresh() {
  for (const time of document.querySelectorAll("time[data-rel]")) {
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    const said = words[time.dataset.rel](seconds);
    if (time.textContent !== said) time.textContent = said;
    if (time.dataset.rel === "left") {
      time.classList.toggle("late", seconds >= 0);
      time.classList.toggle("soon", seconds < 0 && -seconds < HOUR);
    }
  }
}

setInterval(() => document.hidden || refresh(), 10_000);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
