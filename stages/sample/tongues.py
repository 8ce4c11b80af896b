"""Pages in other languages, and a page in a mix of languages that no detector can name."""

from __future__ import annotations

from stages.sample.draw import Draw, words
from stages.sample.world import PLACES

SENTENCES: dict[str, tuple[str, ...]] = {
    "de": (
        "Der Weg von {place} nach {other} dauert an schönen Tagen ungefähr {a} Minuten.",
        "Auf dem Markt werden Äpfel, Brot und frische Milch aus der Umgebung verkauft.",
        "Die meisten Häuser wurden vor {a} Jahren gebaut und sind noch gut erhalten.",
        "Im Winter liegt oft Schnee, und die Kinder fahren mit dem Schlitten den Hügel hinunter.",
        "Wer {place} besucht, sollte unbedingt die alte Mühle am Fluss besichtigen.",
        "Der Bürgermeister erklärte gestern, dass die Brücke bald erneuert werden muss.",
        "Nach dem Gottesdienst treffen sich viele Leute im Gasthaus und erzählen Geschichten.",
        "In {other} gibt es {a} Brunnen, von denen aber nur wenige Wasser führen.",
        "Wir haben uns gefreut, dass so viele Gäste zu unserem Fest gekommen sind.",
    ),
    "fr": (
        "La route de {place} à {other} est calme et le voyage dure environ {a} minutes.",
        "Au marché on trouve des pommes, du pain et du lait frais de la région.",
        "La plupart des maisons ont été construites il y a {a} ans et restent en bon état.",
        "En hiver il neige souvent et les enfants descendent la colline en luge.",
        "Celui qui visite {place} doit absolument voir le vieux moulin près de la rivière.",
        "Le maire a expliqué hier que le pont devait bientôt être réparé.",
        "Après la messe, les habitants se retrouvent à l'auberge et racontent des histoires.",
        "À {other} il y a {a} fontaines, mais peu d'entre elles donnent encore de l'eau.",
        "Nous étions heureux que tant d'invités soient venus à notre fête.",
    ),
    "es": (
        "El camino de {place} a {other} es tranquilo y el viaje dura unos {a} minutos.",
        "En el mercado se venden manzanas, pan y leche fresca de los alrededores.",
        "La mayoría de las casas fueron construidas hace {a} años y siguen en buen estado.",
        "En invierno nieva a menudo y los niños bajan la colina en trineo.",
        "Quien visita {place} debería ver sin falta el viejo molino junto al río.",
        "El alcalde explicó ayer que el puente tendrá que repararse muy pronto.",
        "Después de la misa, muchos vecinos se reúnen en la posada y cuentan historias.",
        "En {other} hay {a} fuentes, pero solo unas pocas todavía dan agua.",
        "Nos alegramos de que tantos invitados hayan venido a nuestra fiesta.",
    ),
    "it": (
        "La strada da {place} a {other} è tranquilla e il viaggio dura circa {a} minuti.",
        "Al mercato si vendono mele, pane e latte fresco dei dintorni.",
        "La maggior parte delle case fu costruita {a} anni fa ed è ancora in buono stato.",
        "D'inverno nevica spesso e i bambini scendono dalla collina con lo slittino.",
        "Chi visita {place} dovrebbe assolutamente vedere il vecchio mulino vicino al fiume.",
        "Il sindaco ha spiegato ieri che il ponte dovrà essere riparato molto presto.",
        "Dopo la messa molte persone si incontrano nella locanda e raccontano storie.",
        "A {other} ci sono {a} fontane, ma solo poche danno ancora acqua.",
        "Siamo stati felici che tanti ospiti siano venuti alla nostra festa.",
    ),
    "ru": (
        "Дорога из {place} в {other} тихая, и путь занимает около {a} минут.",
        "На рынке продают яблоки, хлеб и свежее молоко из окрестных деревень.",
        "Большинство домов построили {a} лет назад, и они хорошо сохранились.",
        "Зимой часто идёт снег, и дети катаются с горы на санках.",
        "Тот, кто приезжает в {place}, должен увидеть старую мельницу у реки.",
        "Мэр вчера объяснил, что мост скоро придётся ремонтировать.",
        "После службы многие люди собираются в трактире и рассказывают истории.",
        "Мы были рады, что на наш праздник пришло так много гостей.",
        "В городе {other} есть {a} фонтанов, но вода течёт лишь в немногих.",
    ),
    "ja": (
        "{place}から{other}までの道は静かで、歩くと{a}分ほどかかります。",
        "市場ではりんごやパン、近くの村でとれた新しい牛乳が売られています。",
        "ほとんどの家は{a}年前に建てられ、今でもよく手入れされています。",
        "冬には雪がたくさん降り、子どもたちはそりで丘をすべり下ります。",
        "{place}を訪れる人は、川のそばの古い水車小屋をぜひ見てください。",
        "町長は昨日、橋をまもなく直さなければならないと話しました。",
        "祭りのあと、人々は宿屋に集まって昔の話を語り合います。",
        "{other}には泉が{a}ありますが、水が出るものはわずかです。",
        "たくさんのお客さんが祭りに来てくれて、私たちはうれしかったです。",
    ),
}
LIKE_CHINESE = ("ja",)
"""Languages that share characters with Chinese: they are foreign among Chinese pages, the others among English."""
MIXED_WORDS = words(
    "haus kirja voda livro dag noche pan talo ryba mesto huis kala jordan slunce wasser",
    "ja och mit ve ile dan ako wie nie som det isang kuu tere bir ben sen lo ti na ku",
)


def foreign(draw: Draw, among: str) -> tuple[str, str, list[str]]:
    """Return a language code, a title and paragraphs in that language, foreign among pages in English or Chinese."""
    language = draw.pick([code for code in sorted(SENTENCES) if (code in LIKE_CHINESE) == (among == "zh")])
    sentences = [_fill(draw, sentence) for sentence in draw.shuffled(SENTENCES[language])]
    space = "" if language in LIKE_CHINESE else " "
    return language, sentences[0].rstrip(".。"), [space.join(sentences[1:5]), space.join(sentences[5:])]


def mixed(draw: Draw) -> tuple[str, list[str]]:
    """Return a title and paragraphs with words of a dozen languages at once."""
    rows = [" ".join(draw.sample(MIXED_WORDS, 20)) for _ in range(5)]
    return " ".join(draw.sample(MIXED_WORDS, 5)), rows


def _fill(draw: Draw, sentence: str) -> str:
    place, other = draw.sample(PLACES, 2)
    return sentence.format(place=place, other=other, a=draw.between(11, 89))
