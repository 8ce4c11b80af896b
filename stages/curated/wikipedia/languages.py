"""Words of MediaWiki by language: prefixes of files and categories, redirects, disambiguation, sections of references.

A dump names its own namespaces; the words here are those of older pages and of dumps without a head.
LLaMA's twenty languages (arXiv:2302.13971, section 2.1), Chinese, Japanese and Simple English.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

_FILES = """
file image media category
bg:файл картинка категория | ca:fitxer imatge categoria | cs:soubor kategorie | da:fil billede kategori
de:datei bild kategorie | es:archivo imagen categoría | fr:fichier catégorie | hr:datoteka slika kategorija
hu:fájl kép kategória | it:immagine categoria | nl:bestand afbeelding categorie | pl:plik grafika kategoria
pt:ficheiro imagem arquivo categoria | ro:fișier fişier imagine categorie | ru:файл изображение категория
sl:slika datoteka kategorija | sr:датотека слика категорија datoteka slika kategorija | sv:fil bild kategori
uk:файл зображення категорія | zh:文件 檔案 档案 图像 圖像 分类 分類 | ja:ファイル 画像 カテゴリ
"""
_DISAMBIGUATION = """
disambig disambiguation disamb dab hndis geodis surname given%name mountainindex roaddis schooldis numberdis
letter-number%combination%disambiguation
human%name%disambiguation place%name%disambiguation airport%disambiguation hospital%disambiguation school%disambiguation
set%index%article shipindex sia
bg:пояснение | ca:desambiguació biografies%desambiguació | cs:rozcestník | da:flertydig
de:begriffsklärung | es:desambiguación | fr:homonymie paronymie toponymie patronymie homonymie%de%localités
hr:razdvojba | hu:egyért egyértelműsítő | it:disambigua | nl:dp dpintro | pl:ujednoznacznienie disambig
pt:desambiguação desambig | ro:dezambiguizare | ru:неоднозначность | sl:razločitev
sr:вишезначна%одредница вишезначна | sv:förgrening gren | uk:неоднозначність | zh:消歧义 消歧義 消歧义页 消歧義頁
ja:aimai 曖昧さ回避 人名の曖昧さ回避 地名の曖昧さ回避
"""
_TAILS = """
references notes external%links see%also further%reading bibliography footnotes sources citations notes%and%references
references%and%notes works%cited gallery
bg:източници бележки външни%препратки вижте%също литература | ca:referències notes enllaços%externs vegeu%també
bibliografia
cs:reference poznámky externí%odkazy související%články literatura odkazy | da:referencer noter eksterne%henvisninger
se%også kilder
de:einzelnachweise weblinks siehe%auch literatur anmerkungen quellen | es:referencias notas enlaces%externos
véase%también bibliografía
fr:références notes liens%externes voir%aussi bibliographie notes%et%références articles%connexes annexes
hr:izvori vanjske%poveznice literatura bilješke | hu:jegyzetek további%információk források külső%hivatkozások
kapcsolódó%szócikkek
it:note collegamenti%esterni voci%correlate altri%progetti bibliografia | nl:referenties externe%links zie%ook
literatuur bronnen noten
pl:przypisy linki%zewnętrzne zobacz%też bibliografia uwagi | pt:referências notas ligações%externas ver%também
bibliografia
ro:note legături%externe vezi%și bibliografie referințe | ru:примечания ссылки литература см.%также
sl:sklici zunanje%povezave glej%tudi viri opombe | sr:референце спољашње%везе види%још литература извори
sv:referenser externa%länkar se%även källor noter litteratur | uk:примітки посилання література див.%також джерела
zh:参考文献 參考文獻 外部链接 外部連結 参见 參見 注释 註釋 参考资料 參考資料 相关条目
ja:脚注 外部リンク 関連項目 参考文献 出典 注釈
"""
_REDIRECTS = """
#redirect #пренасочване #redirecció #přesměruj #omdirigering #weiterleitung #redirección #redirection #preusmjeri
#átirányítás #rinvia #doorverwijzing #patrz #przekieruj #redirecionamento #redirecteaza #перенаправление #preusmeritev
#преусмери #omdirigering #перенаправлення #重定向 #転送
"""
_LANGUAGES = "bg ca cs da de en es fr hr hu it nl pl pt ro ru sl sr sv uk zh ja simple"
LANGUAGES = tuple(_LANGUAGES.split())


class Words(NamedTuple):
    """Words of one language, in lower case; English words belong to every language."""

    prefixes: frozenset[str]
    """Of links that are no text: files and categories."""
    disambiguation: frozenset[str]
    """Templates of a page that lists meanings."""
    tails: frozenset[str]
    """Sections without prose."""


REDIRECTS = tuple(dict.fromkeys(_REDIRECTS.split()))


@lru_cache
def words_of(language: str) -> Words:
    """Return the words of a language; of one without a row the English ones."""
    return Words(*(_row(table, language) for table in (_FILES, _DISAMBIGUATION, _TAILS)))


def _row(table: str, language: str) -> frozenset[str]:
    found: list[str] = []
    is_wanted = True
    for entry in table.replace("|", "\n").split():
        code, mark, first = entry.partition(":")
        starts_row = bool(mark) and code in LANGUAGES
        if starts_row:
            is_wanted = code == language
        if is_wanted:
            found.append((first if starts_row else entry).replace("%", " "))
    return frozenset(found)
